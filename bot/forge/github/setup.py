"""Sets a repository on GitHub up for experiments: what the API allows, and what it leaves.

Everything here may be done again at any time: what is there already stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bot.forge.github.client import GitHubClient
from bot.forge.github.errors import Forbidden, NotFound, Rejected

ENVIRONMENT = "bot"
"""The environment of step.yml, which alone holds secrets."""
RULESET = "mergelab"
WORKFLOWS = ("measure.yml", "step.yml")
LABEL, LABEL_COLOUR = "experiment", "1d76db"
_ADMINISTRATION = "the permission Administration: write"


@dataclass(frozen=True)
class Task:
    """One thing that a repository needs."""

    name: str
    done: bool
    words: str  # what was found or done; else what a person has to do


def prepare(client: GitHubClient, base_branch: str, app_id: int | None = None) -> tuple[Task, ...]:
    """Do what the credential allows; every task, done or left for a person.

    Args:
        client: with the credential of somebody who administers the repository.
        base_branch: the branch that winners go to.
        app_id: the lab's own GitHub App, which may then move the base branch forward.

    Raises:
        GitHubError: GitHub cannot be reached, or does not let the credential in at all.
    """
    default = str(client.get("")["default_branch"])
    return (
        _default_branch(default, base_branch),
        *_workflows(client, base_branch),
        _try("label", f"Make the label {LABEL!r} (Issues, Labels).", lambda: _label(client)),
        _try(
            "environment",
            f"Make the environment {ENVIRONMENT!r} (Settings, Environments), for the branch "
            f"{base_branch} only.",
            lambda: _environment(client, base_branch),
        ),
        _try(
            "workflow token",
            "Let Actions open pull requests (Settings, Actions, General, Workflow permissions), "
            "with read permissions by default.",
            lambda: _workflow_token(client),
        ),
        _try(
            "outside contributors",
            "Require approval for all external contributors (Settings, Actions, General).",
            lambda: _outside(client),
        ),
        _try(
            "protection",
            f"Protect {base_branch} against deletion and force pushes (Settings, Rules).",
            lambda: _ruleset(client, base_branch, app_id),
        ),
        *_left(base_branch, app_id),
    )


def _default_branch(default: str, base_branch: str) -> Task:
    if default == base_branch:
        return Task("default branch", True, f"{base_branch} is the default branch")
    words = (
        f"The default branch is {default}, and winners go to {base_branch}. Schedules and "
        "comments start the default branch's workflows: make them the same (Settings, General)."
    )
    return Task("default branch", False, words)


def _workflows(client: GitHubClient, base_branch: str) -> Iterator[Task]:
    for name in WORKFLOWS:
        path = f".github/workflows/{name}"
        try:
            client.get(f"contents/{path}", ref=base_branch)
        except NotFound:
            yield Task(name, False, f"Push {path} to {base_branch}.")
        except Forbidden:
            words = f"Look whether {path} is on {base_branch}: the credential lacks Contents: read."
            yield Task(name, False, words)
        else:
            yield Task(name, True, f"{path} is on {base_branch}")


def _try(name: str, by_hand: str, do: Callable[[], str]) -> Task:
    try:
        return Task(name, True, do())
    except Forbidden:
        words = f"{by_hand} Or do this again with a credential that has {_ADMINISTRATION}."
        return Task(name, False, words)
    except (NotFound, Rejected) as error:
        return Task(name, False, f"{by_hand} ({error})")


def _label(client: GitHubClient) -> str:
    body = {
        "name": LABEL,
        "color": LABEL_COLOUR,
        "description": "A pull request that is to be measured and judged",
    }
    if any(label.get("name") == LABEL for label in client.list("labels")):
        return f"the label {LABEL!r} is there"
    client.post("labels", body)
    return f"made the label {LABEL!r}"


def _environment(client: GitHubClient, base_branch: str) -> str:
    place = f"environments/{ENVIRONMENT}"
    only = {"protected_branches": False, "custom_branch_policies": True}
    client.put(place, {"deployment_branch_policy": only})
    policies = client.list(f"{place}/deployment-branch-policies", "branch_policies")
    if not any(policy.get("name") == base_branch for policy in policies):
        client.post(f"{place}/deployment-branch-policies", {"name": base_branch})
    return f"the environment {ENVIRONMENT!r} is for {base_branch} only"


def _workflow_token(client: GitHubClient) -> str:
    client.put(
        "actions/permissions/workflow",
        # This one switch of GitHub's is for opening pull requests as well.
        {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": True},
    )
    return "workflows may open pull requests, and only read by default"


def _outside(client: GitHubClient) -> str:
    client.put(
        "actions/permissions/fork-pr-contributor-approval",
        {"approval_policy": "all_external_contributors"},
    )
    return "workflows of all external contributors need an approval"


def _ruleset(client: GitHubClient, base_branch: str, app_id: int | None) -> str:
    """Nobody rewrites or deletes the branch; with an App, only it pushes without a review."""
    if any(ruleset.get("name") == RULESET for ruleset in client.list("rulesets")):
        return f"the ruleset {RULESET!r} is there"
    rules: list[dict[str, Any]] = [{"type": "deletion"}, {"type": "non_fast_forward"}]
    actors: list[dict[str, Any]] = []
    if app_id is not None:
        rules.append({"type": "pull_request", "parameters": _REVIEW})
        actors.append({"actor_id": app_id, "actor_type": "Integration", "bypass_mode": "always"})
    client.post(
        "rulesets",
        {
            "name": RULESET,
            "target": "branch",
            "enforcement": "active",
            "conditions": {"ref_name": {"include": [f"refs/heads/{base_branch}"], "exclude": []}},
            "rules": rules,
            "bypass_actors": actors,
        },
    )
    if app_id is None:
        return f"{base_branch} cannot be deleted or force-pushed"
    return f"{base_branch} is changed by reviewed pull requests, and by the App {app_id}"


_REVIEW = {
    "required_approving_review_count": 1,
    "dismiss_stale_reviews_on_push": True,
    "require_code_owner_review": False,
    "require_last_push_approval": True,
    "required_review_thread_resolution": False,
}


def _left(base_branch: str, app_id: int | None) -> Iterator[Task]:
    """What no API does, or what no program should be handed."""
    if app_id is None:
        yield Task(
            "App",
            False,
            "Recommended: a GitHub App of the lab's own (docs/github.md), so that checks and "
            f"merges are the bot's alone and {base_branch} can require reviews of everybody else.",
        )
    else:
        yield Task(
            "App's key",
            False,
            f"Store it: gh variable set MERGELAB_APP_ID --env {ENVIRONMENT} --body {app_id}; "
            f"gh secret set MERGELAB_APP_KEY --env {ENVIRONMENT} < key.pem",
        )
    yield Task(
        "model's key",
        False,
        "Only for the proposer claude: gh secret set ANTHROPIC_API_KEY --env " + ENVIRONMENT,
    )
    yield Task(
        "runner",
        False,
        "Start a self-hosted runner with the label gpu on the machine that trains "
        "(docs/github.md).",
    )
