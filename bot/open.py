"""Opens a person's branch as an experiment."""

from __future__ import annotations

from bot.errors import BotError
from bot.forge.base import Author, NewPull, PullRequest
from bot.phases.present import present
from bot.policy.inspection import check_change
from bot.proposing.place import Place
from bot.text.plain import one_line


class CannotOpen(BotError):
    """This branch cannot become an experiment as it is."""


def open_branch(place: Place, branch: str | None, title: str | None, body: str) -> PullRequest:
    """Open `branch` (None: the one that is checked out) in the name of git's identity.

    Raises:
        CannotOpen: it is missing, is the base branch, or changes what bot.toml does not
            allow; nothing was opened.
        Conflict: it is open already.
    """
    repository, forge = place.repository, place.forge
    base_branch = place.settings.repository.base
    name = branch or repository.head_branch()
    if name is None:
        raise CannotOpen("HEAD is detached. Name the branch: `python -m bot open BRANCH`.")
    if name == base_branch:
        raise CannotOpen(
            f"{name} is the base branch. Put your edit on a branch of its own: "
            "`git switch -c my-idea`, commit it, and run this again."
        )
    head = repository.resolve(f"refs/heads/{name}") if repository.is_branch_name(name) else None
    if head is None:
        raise CannotOpen(f"There is no branch {one_line(name)!r} here. `git branch` lists them.")
    base = forge.base()
    fork = repository.merge_base(base, head)
    if fork is None:
        raise CannotOpen(f"{name} shares no history with {base_branch}. Start it from there.")
    violations = check_change(repository, fork, head, place.settings)
    if violations:
        problems = "\n".join(f"  {violation}" for violation in violations)
        raise CannotOpen(f"{name} changes what bot.toml does not allow:\n{problems}")
    you = repository.identity()
    record = {
        "proposer": you.name,
        "phase": present(repository, place.settings).phase.name,
        "cost": {"usd": 0.0},
        "hypothesis": {"title": title or "", "rationale": body},
        "fork": fork,
    }
    subject = title or repository.subject(head)
    author = Author(you.name, you.email)
    return forge.open(NewPull(name, head, one_line(subject), body, author, record))
