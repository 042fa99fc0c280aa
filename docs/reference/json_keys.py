"""What the commands print with --json: all keys, with their meanings."""

from __future__ import annotations

from collections.abc import Mapping

from bot.commands import (
    audit,
    best,
    comment,
    completion,
    diff,
    doctor,
    export,
    import_,
    init,
    log,
    open,
    phase,
    proposers,
    pulls,
    report,
    run,
    show,
)
from bot.proposing.preview import PREVIEW_KEYS
from bot.views.status_json import STATUS_KEYS
from bot.views.summary import CONCLUDED_KEYS
from docs.reference.models import keys_of
from runner import checks_command, commands, image_command, odvg_command
from runner.actions import command as actions
from runner.result import Comparability, Measurement

Keys = Mapping[str, str]

JSON_KEYS: dict[tuple[str, str], Keys] = {
    ("bot", "audit"): audit.JSON_KEYS,
    ("bot", "best"): best.JSON_KEYS,
    ("bot", "comment"): comment.JSON_KEYS,
    ("bot", "completion"): completion.JSON_KEYS,
    ("bot", "diff"): diff.JSON_KEYS,
    ("bot", "doctor"): doctor.JSON_KEYS,
    ("bot", "export"): export.JSON_KEYS,
    ("bot", "import"): import_.JSON_KEYS,
    ("bot", "init"): init.JSON_KEYS,
    ("bot", "log"): log.JSON_KEYS,
    ("bot", "open"): open.JSON_KEYS,
    ("bot", "phase"): phase.JSON_KEYS,
    ("bot", "propose"): PREVIEW_KEYS,
    ("bot", "proposers"): proposers.JSON_KEYS,
    ("bot", "pulls"): pulls.JSON_KEYS,
    ("bot", "report"): report.JSON_KEYS,
    ("bot", "run"): run.RUN_KEYS,
    ("bot", "show"): show.JSON_KEYS,
    ("bot", "status"): STATUS_KEYS,
    ("bot", "step"): CONCLUDED_KEYS,
    ("runner", "class"): keys_of(Comparability),
    ("runner", "doctor"): checks_command.DOCTOR_KEYS,
    ("runner", "gate"): actions.GATE_KEYS,
    ("runner", "image"): image_command.JSON_KEYS,
    ("runner", "import-odvg"): odvg_command.IMPORT_KEYS,
    ("runner", "measure"): keys_of(Measurement),
    ("runner", "prepare"): commands.PREPARE_KEYS,
    ("runner", "publish"): actions.PUBLISH_KEYS,
    ("runner", "redteam"): checks_command.REDTEAM_KEYS,
    ("runner", "wake"): actions.WAKE_KEYS,
}
"""What each command prints with --json: `a.b` is key b of a, `a[]` every item of the list a."""
