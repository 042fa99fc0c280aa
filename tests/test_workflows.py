"""The workflows: linted, and what the design promises of them read from their text."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.forge.github.audits import KEY as AUDIT_KEY
from runner.actions.documents import ARTIFACT, DOCUMENT, Asked, title_of
from runner.actions.hub import STEP_WORKFLOW

TOP = Path(__file__).parents[1]
FOLDER = TOP / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
TOOLS = Path(sys.executable).parent


def tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(TOOLS / name), *arguments], cwd=TOP, capture_output=True, text=True, check=False
    )


def read(name: str) -> dict[Any, Any]:
    document = yaml.safe_load((FOLDER / name).read_text())
    assert isinstance(document, dict)
    return document


def triggers(name: str) -> Any:
    return read(name)[True]  # YAML reads the key `on` as a truth value


def test_there_are_exactly_the_three_workflows_of_the_design() -> None:
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "measure.yml", "step.yml"]


def test_zizmor_finds_nothing() -> None:
    done = tool("zizmor", "--offline", "--persona", "pedantic", str(FOLDER))
    assert done.returncode == 0, done.stdout


def test_actionlint_finds_nothing() -> None:
    done = tool("actionlint", *map(str, WORKFLOWS))
    assert (done.returncode, done.stdout) == (0, "")


def test_every_action_is_pinned_by_its_commit() -> None:
    used = [
        line.partition("uses:")[2].strip()
        for path in WORKFLOWS
        for line in path.read_text().splitlines()
        if "uses:" in line
    ]
    assert used
    for action in used:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_no_expression_is_pasted_into_a_shell() -> None:
    for path in WORKFLOWS:
        for job in read(path.name)["jobs"].values():
            for step in job["steps"]:
                assert "${{" not in step.get("run", ""), step


def test_a_pull_request_cannot_start_a_measurement() -> None:
    assert set(triggers("measure.yml")) == {"workflow_dispatch"}
    assert set(triggers("step.yml")) == {"schedule", "workflow_dispatch", "issue_comment"}


def test_the_inputs_are_those_that_the_gate_reads() -> None:
    inputs = triggers("measure.yml")["workflow_dispatch"]["inputs"]
    assert list(inputs) == list(Asked.model_fields)
    assert {(each["type"], each["required"]) for each in inputs.values()} == {("string", True)}


def test_the_name_of_a_run_tells_its_attempt() -> None:
    name = read("measure.yml")["run-name"]
    filled = name.replace("${{ inputs.pr }}", "12").replace("${{ inputs.attempt }}", "12.3")
    assert filled == title_of(12, "12.3")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_permission_is_a_job_s_own(path: Path) -> None:
    document = read(path.name)
    assert document["permissions"] == {}
    for job in document["jobs"].values():
        assert job["permissions"]
        assert job["name"] and job["timeout-minutes"]


def test_the_machine_with_the_gpu_holds_no_secret_and_may_only_read() -> None:
    jobs = read("measure.yml")["jobs"]
    train = jobs["train"]
    assert train["runs-on"] == ["self-hosted", "gpu"]
    assert train["permissions"] == {"contents": "read"}
    assert not re.search(r"secrets\.|github\.token|GITHUB_TOKEN", yaml.safe_dump(train))
    others = [job["runs-on"] for name, job in jobs.items() if name != "train"]
    assert set(others) == {"ubuntu-latest"}


def test_secrets_are_in_step_yml_alone_and_in_an_environment() -> None:
    naming = [path.name for path in WORKFLOWS if "secrets." in path.read_text()]
    assert naming == ["step.yml"]
    (job,) = read("step.yml")["jobs"].values()
    assert job["environment"] == "bot"
    assert job["concurrency"] == {"group": "step", "cancel-in-progress": False}


def test_a_step_can_read_the_audits_of_a_public_repository() -> None:
    (job,) = read("step.yml")["jobs"].values()
    (step,) = [step for step in job["steps"] if step.get("run") == "python -m bot step"]
    assert step["env"][AUDIT_KEY] == f"${{{{ secrets.{AUDIT_KEY} }}}}"


def test_no_checkout_leaves_a_credential_behind_or_takes_the_head() -> None:
    for path in WORKFLOWS:
        for job in read(path.name)["jobs"].values():
            for step in job["steps"]:
                if step.get("uses", "").startswith("actions/checkout@"):
                    assert step["with"]["persist-credentials"] is False
                    assert "head" not in str(step["with"].get("ref", ""))


def test_the_gate_hands_over_hidden_files_too() -> None:
    steps = read("measure.yml")["jobs"]["gate"]["steps"]
    handed = next(s for s in steps if s.get("uses", "").startswith("actions/upload-artifact@"))
    assert handed["with"]["include-hidden-files"] is True


def test_the_report_hands_out_what_the_bot_looks_for() -> None:
    steps = read("measure.yml")["jobs"]["report"]["steps"]
    kept = next(s for s in steps if s.get("uses", "").startswith("actions/upload-artifact@"))
    assert kept["with"]["name"] == ARTIFACT
    assert DOCUMENT == "measurement.json"
    assert (FOLDER / STEP_WORKFLOW).is_file()


def test_experiments_do_not_run_the_project_s_tests() -> None:
    (job,) = read("ci.yml")["jobs"].values()
    assert "startsWith(github.head_ref, 'exp/')" in job["if"]
    assert "'experiment'" in job["if"]
