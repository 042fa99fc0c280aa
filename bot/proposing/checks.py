"""Whether a proposal may become an experiment, and the commit that it will be."""

from __future__ import annotations

import os
from collections.abc import Mapping

from bot.git import Identity
from bot.history import fingerprint, revisions
from bot.history.past import settled_by
from bot.model import Proposal
from bot.policy import rules as policy
from bot.policy.inspection import check_change
from bot.proposers.base import Context
from bot.proposing.place import BOT, Place
from bot.snapshot import View
from bot.text.hygiene import Secrets
from bot.text.plain import for_terminal, one_line, quiet


class Refused(Exception):
    """This proposal is not opened; the message says why, for the proposer and the log."""


def commit(
    place: Place,
    view: View,
    proposal: Proposal,
    told: Context,
    when: int,
    *,
    onto: str | None = None,
    request: str | None = None,
) -> str:
    """Put the proposal into a commit on the base of its files, or on the head `onto`. Moves no ref.

    `request` is what it revises the experiment for, see `bot.history.revisions`.

    Raises:
        Refused: it may not be opened; the message says why.
    """
    outside = set(proposal.files) - set(place.settings.candidate.paths)
    if outside:
        raise Refused(f"it edits {', '.join(sorted(outside))}, which bot.toml does not allow")
    if path := credential_in(proposal.files, told.files):
        raise Refused(f"{path} would hold what looks like a credential")
    changed = {**told.files, **proposal.files}
    if changed == told.files:
        raise Refused("it changes nothing")
    mark = fingerprint.exact(changed, view.beside)
    if mark == fingerprint.exact(told.files, view.beside):
        raise Refused("it changes only comments or formatting")
    earlier = settled_by(view.entries, mark, view.runner_class, by_bot=True)
    if earlier is not None:
        raise Refused(f"experiment #{earlier} tried the same code")
    for standing in view.standings:
        if standing.fingerprint == mark and standing.pull.head != onto:
            raise Refused(f"experiment #{standing.pull.number}, which is open, tries the same code")
    # What was merged since it was begun is not undone: the experiment starts where it was seen.
    repository, base = place.repository, told.base or view.snapshot.base
    fork = base if onto is None else repository.merge_base(base, onto) or base
    tree = repository.tree_with(onto or base, dict(changed if onto else proposal.files))
    if onto and tree == repository.tree(onto):
        raise Refused("it changes nothing of the experiment")
    idea = proposal.hypothesis
    words = f"{quiet(one_line(idea.title))}\n\n{quiet(for_terminal(idea.rationale))}"
    message = revisions.message(words, request)
    # In every clone the same commit, whoever its git acts for.
    bot = Identity(BOT.name, BOT.id)
    head = repository.commit_tree(tree, [onto or base], message, bot, when, committer=bot)
    violations = check_change(repository, fork, head, place.settings)
    if not violations and told.phase.max_changed_lines is not None:
        violations = policy.check_diff(repository.diff(fork, head), told.allowed)
    if violations:
        raise Refused("; ".join(str(violation) for violation in violations[:3]))
    return head


def credential_in(files: Mapping[str, bytes], before: Mapping[str, bytes]) -> str:
    """The first file that holds what looks like a credential and did not before; empty if none."""
    known = Secrets.of(os.environ)
    for path, data in files.items():
        old = before.get(path, b"").decode("utf-8", errors="replace")
        if known.found_in(data.decode("utf-8", errors="replace")) and not known.found_in(old):
            return path
    return ""
