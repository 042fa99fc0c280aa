"""The gate: what may be measured, and the bytes that are handed to the machine with the GPU.

Only the allowed files of the merge tree, and of the base, leave it, as bytes: that machine never
fetches anything of a pull request. The rules for changes are the bot's, and the runner does not
import the bot; so they are asked as a program, as the red team does it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.actions.documents import Asked, Expected
from runner.actions.hub import Hub, Pull
from runner.actions.rules import ask, run
from runner.candidate import lay_out, read_tree, run_git
from runner.digests import candidate_digest, harness_digest, scorer_digest, shaping
from runner.errors import RequestError, RunnerError
from runner.settings_file import load

# What a number depends on beside the candidate. Where it differs between the commit that is to
# be measured and the branch as the workflow sees it, the bot has to ask anew.
_HARNESS = ("bot.toml", "runner", "requirements", ".github/mergelab.txt")


class Refused(RunnerError):
    """This attempt must not be measured; the message says why, and what would change that."""


@dataclass(frozen=True)
class Passed:
    """An attempt that may be measured."""

    expected: Expected
    candidate: Mapping[str, bytes]
    baseline: Mapping[str, bytes]

    def hand_over(self, folder: Path) -> None:
        """Write the batch for `runner measure --runs`, and the files that it names."""
        folder.mkdir(parents=True)
        lay_out(self.candidate, folder / "candidate")
        lay_out(self.baseline, folder / "baseline")
        runs = [
            {
                "id": str(run.index),
                "files": f"{folder.name}/{run.side}",
                "seed": run.seed,
                "smoke": run.smoke,
            }
            for run in self.expected.runs
        ]
        (folder / "batch.json").write_text(json.dumps({"runs": runs}))


def gate(asked: Asked, hub: Hub, checkout: Path, base_branch: str, token: str = "") -> Passed:
    """Let an attempt through, or raise Refused.

    Args:
        asked: the inputs of the workflow.
        hub: the repository on GitHub.
        checkout: a full clone with the base branch checked out, as the workflow sees it.
        base_branch: its name; the workflow was started on it.
        token: for fetching the head, where the repository is not public.
    """
    _check_base(asked, checkout)
    _check_pull(asked, hub, base_branch)
    _fetch(checkout, asked.head_sha, token)
    tree = _merge(checkout, asked)
    settings = load(checkout / "bot.toml")
    candidate = read_tree(checkout, tree, settings.candidate)
    baseline = read_tree(checkout, asked.base_sha, settings.candidate)
    expected = Expected(
        **asked.model_dump(),
        base_branch=base_branch,
        candidate=candidate_digest(candidate),
        baseline=candidate_digest(baseline),
        harness=harness_digest(shaping(settings)),
        scorer=scorer_digest(settings.task.kind),
    )
    return Passed(expected, candidate, baseline)


def _check_base(asked: Asked, checkout: Path) -> None:
    """The files that judge come from the base branch, and are those that the workflow sees."""
    try:
        run_git(checkout, "merge-base", "--is-ancestor", asked.base_sha, "HEAD")
    except RequestError:
        raise Refused(
            f"base_sha {asked.base_sha[:12]} is not a commit of the base branch. Only the bot's "
            "own steps should start this workflow."
        ) from None
    changed = run_git(checkout, "diff", "--name-only", asked.base_sha, "HEAD", "--", *_HARNESS)
    if changed:
        first = changed.decode(errors="replace").split("\n")[0]
        raise Refused(
            f"The base branch has moved on since this was asked for, and {first} is another "
            "now. The next step asks anew."
        )


def _check_pull(asked: Asked, hub: Hub, base_branch: str) -> None:
    pull = hub.pull(asked.pr)
    if pull.state != "open":
        raise Refused(f"Pull request #{asked.pr} is not open.")
    if pull.head_sha != asked.head_sha:
        raise Refused(
            f"Pull request #{asked.pr} is at {pull.head_sha[:12]} now, not at "
            f"{asked.head_sha[:12]}. The next step looks at it afresh."
        )
    if pull.base_branch != base_branch:
        raise Refused(
            f"Pull request #{asked.pr} asks to be merged into another branch than {base_branch}."
        )
    _check_trusted(pull, hub)


def _check_trusted(pull: Pull, hub: Hub) -> None:
    """Who can push to this repository is trusted; others need somebody who can."""
    if pull.head_repository.casefold() == hub.repository.casefold():
        return
    if hub.approver(pull) is None:
        raise Refused(
            f"Pull request #{pull.number} comes from another repository. Before it is measured, "
            f"somebody with write permission has to approve it at {pull.head_sha[:12]} (Files "
            f"changed, Review changes, Approve; or a comment `/bot approve {pull.head_sha}`). "
            "Every new commit needs a new approval."
        )


def _fetch(checkout: Path, commit: str, token: str) -> None:
    command = ["git", "-C", str(checkout)]
    environment = _credentials(checkout, token)
    command += ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "origin", commit]
    done = run(command, environment)
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip()[-300:]
        raise Refused(f"{commit[:12]} cannot be fetched: {reason}. Run the job again.")


def _credentials(checkout: Path, token: str) -> dict[str, str]:
    """Variables that give git the token for this one repository; never the command line."""
    address = run_git(checkout, "remote", "get-url", "origin").decode().strip()
    if not token or not address.startswith("https://"):
        return {}
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{address}.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
    }


def _merge(checkout: Path, asked: Asked) -> str:
    """The merge tree, if the change is allowed."""
    answer = ask("bot.policy.checkmerge", str(checkout), asked.base_sha, asked.head_sha)
    if answer["violations"]:
        raise Refused("The change is not allowed:\n" + "\n".join(answer["violations"]))
    if answer["merge_tree"] is None:
        paths = ", ".join(answer["conflicts"][:5])
        raise Refused(f"The change conflicts with the base branch in {paths}.")
    return str(answer["merge_tree"])
