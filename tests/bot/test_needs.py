"""What a script needs beside it belongs to what was measured: duplicates and overtaken runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bot.actions import Conclude, Measure
from bot.candidate import measured_digest
from bot.decide import decide
from bot.forge.base import PlannedRun
from bot.model import Reason
from bot.proposers.review import review
from bot.proposing.context import context
from bot.settings import parse
from tests.bot.lab import TRAIN, Lab, ScriptedMeasurer, git

SETTINGS = """
[candidate]
needs = ["helpers"]
[task]
kind = "reported"
[metric]
pattern = 'loss: (\\S+)'
"""
WORSE = TRAIN.replace("1.0", "0.5")


@dataclass
class WithNeeds(ScriptedMeasurer):
    """The runner's digest is that of the script and of what it needs."""

    def measure(
        self,
        runs: Sequence[tuple[int, PlannedRun]],
        on_result: Callable[[int, Mapping[str, Any]], None],
        *,
        sealed: bool = False,
    ) -> None:
        def with_needs(index: int, result: Mapping[str, Any]) -> None:
            tree = dict(runs)[index].tree
            subject = measured_digest(self.repository, tree, parse(SETTINGS.encode()))
            on_result(index, {**result, "digests": {**result["digests"], "candidate": subject}})

        super().measure(runs, with_needs, sealed=sealed)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab.build(tmp_path / "project", SETTINGS)
    measurer = WithNeeds(made.place.repository)
    (made.folder / "helpers").mkdir()
    change_helper(made, "SCALE = 1\n")
    return replace(made, measurer=measurer, executor=replace(made.executor, measurer=measurer))


def change_helper(lab: Lab, text: str) -> None:
    (lab.folder / "helpers" / "data.py").write_text(text)
    git(lab.folder, "add", "helpers")
    git(lab.folder, "commit", "-qm", "Change what the script needs")


def judged(lab: Lab, train: str) -> Reason:
    """An experiment with this file goes to its verdict."""
    number = lab.experiment({"train.py": train})
    lab.until_idle()
    verdict = lab.place.forge.pull(number).verdict
    assert verdict is not None
    return verdict.reason


def test_the_same_code_is_no_duplicate_once_what_it_needs_has_changed(lab: Lab) -> None:
    assert judged(lab, WORSE) is Reason.WORSE
    assert judged(lab, f"{WORSE}# again\n") is Reason.DUPLICATE
    change_helper(lab, "SCALE = 2\n")
    assert judged(lab, f"{WORSE}# and again\n") is Reason.WORSE


def test_a_proposer_may_try_it_again_then(lab: Lab) -> None:
    judged(lab, WORSE)
    files = {"train.py": WORSE.encode()}
    assert "tried the same code" in review(files, context(lab.place, lab.view())).problems[0]
    change_helper(lab, "SCALE = 2\n")
    assert review(files, context(lab.place, lab.view())).fine


def test_runs_beside_other_files_close_nothing(lab: Lab) -> None:
    number = lab.experiment({"train.py": WORSE})
    assert isinstance(lab.act(), Measure)
    assert isinstance(decide(lab.view().snapshot)[0], Conclude)
    change_helper(lab, "SCALE = 2\n")
    assert lab.view().standing(number).experiment.overtaken is None
    assert isinstance(decide(lab.view().snapshot)[0], Measure)
