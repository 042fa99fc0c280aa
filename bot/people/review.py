"""The bot's review of a person's experiment: what bot.toml forbids, what was tried before."""

from __future__ import annotations

from dataclasses import dataclass

from bot.candidate import allowed_files
from bot.forge.base import Note
from bot.git import Repository
from bot.history.related import related
from bot.people.record import Record, hidden
from bot.policy.inspection import check_change
from bot.settings import Settings
from bot.snapshot import View
from bot.standing import Standing
from bot.text.plain import inert_markdown
from bot.views.related import related_text


@dataclass(frozen=True)
class Findings:
    """What a review says: as a whole, and of lines."""

    body: str
    notes: tuple[Note, ...]


def review(repository: Repository, settings: Settings, view: View, standing: Standing) -> Findings:
    """Look at an open experiment as it stands. Reads git, changes nothing."""
    head, base = standing.pull.head, view.snapshot.base
    fork = repository.merge_base(base, head)
    violations = check_change(repository, fork, head, settings) if fork else ()
    notes = [
        Note(found.path, found.line, f"{inert_markdown(found.message)} [{found.rule}]")
        for found in violations
        if found.path in settings.candidate.paths and found.line is not None
    ]
    said = [str(found) for found in violations if found.line is None or not found.path]
    said = said or ([] if violations else list(standing.experiment.violations))
    parts = [_policy(said, len(notes))]
    if standing.experiment.conflicts:
        paths = ", ".join(standing.experiment.conflicts[:5])
        parts.append(f"**Conflict.** It does not apply to the base branch of now: {paths}.")
    after = allowed_files(repository, standing.merge_tree or head, settings)
    before = view.files
    if after != before:
        known = related(
            repository,
            view.entries,
            before=before,
            after=after,
            entry_file=settings.candidate.entry,
        )
        parts.append("**Tried before.** " + related_text(known))
    parts.append(
        "The next steps measure and judge it like the bot's own; the bot never writes to this "
        "branch. `/bot help` lists what it can be told."
    )
    return Findings(hidden(Record(reviewed=head)) + "\n\n".join(parts) + "\n", tuple(notes))


def _policy(said: list[str], notes: int) -> str:
    if not said and not notes:
        return "**Policy.** It changes only what bot.toml allows."
    lines = [f"- {inert_markdown(line)}" for line in said[:5]]
    if notes:
        lines.append(f"- {notes} of its lines: see the comments on them")
    return "**Policy.** bot.toml does not allow this:\n\n" + "\n".join(lines)
