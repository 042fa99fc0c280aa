from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.cli import cli
from bot.forge.github.errors import Forbidden
from bot.forge.github.setup import Task, prepare
from tests.bot.forge.github.conftest import MakeClient
from tests.bot.lab import make_repository
from tests.github.setting import ADMIN_TOKEN, BOT_TOKEN
from tests.github.state import GitHub


def by_name(tasks: tuple[Task, ...]) -> dict[str, Task]:
    assert len({task.name for task in tasks}) == len(tasks)
    return {task.name: task for task in tasks}


def test_an_administrator_gets_everything_that_the_api_allows(
    github: GitHub, make_client: MakeClient
) -> None:
    tasks = by_name(prepare(make_client(ADMIN_TOKEN), "main", app_id=77))
    left = {name for name, task in tasks.items() if not task.done}
    assert left == {"measure.yml", "step.yml", "App's key", "model's key", "runner"}
    kept = github.settings
    assert "experiment" in github.labels
    assert kept["environments/bot"]["deployment_branch_policy"] == {
        "protected_branches": False,
        "custom_branch_policies": True,
    }
    assert [policy["name"] for policy in kept["branches of bot"]["names"]] == ["main"]
    assert kept["actions/workflow"]["default_workflow_permissions"] == "read"
    assert kept["actions/approval"] == {"approval_policy": "all_external_contributors"}


def test_only_the_app_moves_the_base_branch_without_a_review(
    github: GitHub, make_client: MakeClient
) -> None:
    prepare(make_client(ADMIN_TOKEN), "main", app_id=77)
    ruleset = github.settings["rulesets/mergelab"]
    assert ruleset["bypass_actors"] == [
        {"actor_id": 77, "actor_type": "Integration", "bypass_mode": "always"}
    ]
    kinds = {rule["type"] for rule in ruleset["rules"]}
    assert kinds == {"deletion", "non_fast_forward", "pull_request"}


def test_without_an_app_no_review_is_required_for_the_bot_itself_would_be_locked_out(
    github: GitHub, make_client: MakeClient
) -> None:
    tasks = by_name(prepare(make_client(ADMIN_TOKEN), "main"))
    rules = github.settings["rulesets/mergelab"]["rules"]
    assert [rule["type"] for rule in rules] == ["deletion", "non_fast_forward"]
    assert "Recommended" in tasks["App"].words


def test_done_twice_it_changes_nothing(github: GitHub, make_client: MakeClient) -> None:
    first = prepare(make_client(ADMIN_TOKEN), "main", app_id=77)
    kept = dict(github.settings)
    second = prepare(make_client(ADMIN_TOKEN), "main", app_id=77)
    assert [task.done for task in first] == [task.done for task in second]
    assert github.settings == kept


def test_what_the_credential_may_not_do_is_left_to_a_person_with_words(
    github: GitHub, make_client: MakeClient
) -> None:
    tasks = by_name(prepare(make_client(BOT_TOKEN), "main"))
    for name in ("environment", "workflow token", "outside contributors", "protection"):
        assert not tasks[name].done
        assert "Settings" in tasks[name].words and "Administration: write" in tasks[name].words
    assert not github.settings


def test_workflows_that_the_credential_may_not_read_are_left_to_a_person(
    github: GitHub, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client(ADMIN_TOKEN)
    get = client.get

    def may_not_read_contents(path: str, **query: str) -> object:
        if path.startswith("contents/"):
            raise Forbidden("Resource not accessible by personal access token")
        return get(path, **query)

    monkeypatch.setattr(client, "get", may_not_read_contents)
    task = by_name(prepare(client, "main"))["step.yml"]
    assert not task.done and "Contents: read" in task.words


def test_another_default_branch_is_told(github: GitHub, make_client: MakeClient) -> None:
    task = by_name(prepare(make_client(ADMIN_TOKEN), "research"))["default branch"]
    assert not task.done and "main" in task.words and "research" in task.words


SETTINGS = """
[forge]
kind = "github"
repository = "lab/research"
api_url = "ADDRESS"
account = "mergelab[bot]"
"""


def command(
    place: Path, monkeypatch: pytest.MonkeyPatch, token: str, settings: str, *words: str
) -> Result:
    make_repository(place, settings=settings)
    monkeypatch.chdir(place)
    monkeypatch.setenv("GITHUB_TOKEN", token)
    return CliRunner().invoke(cli, [*words, "--json"])


def test_the_command_sets_the_repository_of_bot_toml_up(
    github: GitHub, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SETTINGS.replace("ADDRESS", address)
    words = ("init", "--github", "--app-id", "77")
    done = command(tmp_path / "lab", monkeypatch, ADMIN_TOKEN, settings, *words)
    assert done.exit_code == 0, done.output
    told = {task["name"]: task["done"] for task in json.loads(done.stdout)["github"]}
    assert told["environment"] and told["protection"] and not told["runner"]
    assert "environments/bot" in github.settings


def test_where_pull_requests_are_not_on_github_the_command_says_what_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = command(tmp_path / "lab", monkeypatch, ADMIN_TOKEN, "", "init", "--github")
    assert done.exit_code != 0
    assert "forge.kind" in str(done.exception)


def test_the_doctor_tells_of_every_permission(
    github: GitHub, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del github
    settings = SETTINGS.replace("ADDRESS", address)
    words = ("doctor", "--github")
    done = command(tmp_path / "lab", monkeypatch, BOT_TOKEN, settings, *words)
    told = {check["name"]: check["state"] for check in json.loads(done.stdout)["checks"]}
    assert told["pull requests: write"] == told["checks: write"] == told["actions: write"] == "ok"
