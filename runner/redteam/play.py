"""Runs the suite through the production path, with an honest measurement before and after."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from runner.batch import Batch, PlannedRun
from runner.errors import RunnerError
from runner.events import Event
from runner.redteam.case import Case, candidate_files, honest_source
from runner.redteam.diffs import DiffCase, run_diffs
from runner.redteam.judge import Evidence, Finding, judge
from runner.redteam.observe import Observed
from runner.redteam.scene import Scene, scene
from runner.request import MAX_SEED, Conditions
from runner.result import Measurement, Status
from runner.sandbox import cgroups
from runner.sandbox.label import new_label
from runner.session import Session, open_session
from runner.settings import RunnerSettings
from runner.task.store import check_folder
from runner.workspace import workspace

# Enough for an honest run on a busy machine, and little enough to be reached quickly.
_LIMITS = {"memory_gb": 0.25, "processes": 64, "output_mb": 8, "scratch_mb": 8}
_BUDGET = {"cpu_s": 10.0, "gpu_s": 60.0, "grace_s": 5.0, "predict_s": 15.0, "smoke_s": 5.0}
_HURRY = {"grace_s": 0.5, "predict_s": 1.5}
_HURRY_BUDGET_S = 1.0


@dataclass(frozen=True)
class Report:
    """The outcome of a suite."""

    backend: str
    findings: tuple[Finding, ...]
    before: float
    after: float
    leftovers: tuple[str, ...]  # what the suite itself left behind on the machine
    seconds: float

    def summary(self) -> dict[str, Any]:
        """The JSON object of `python -m runner redteam`."""
        return {
            "backend": self.backend,
            "total": len(self.findings),
            "blocked": self.blocked,
            "cases": [asdict(finding) for finding in self.findings],
            "honest": {
                "before": self.before,
                "after": self.after,
                "equal": self.before == self.after,
            },
            "leftovers": list(self.leftovers),
            "seconds": round(self.seconds, 1),
        }

    @property
    def blocked(self) -> int:
        """How many attacks were blocked."""
        return sum(finding.blocked for finding in self.findings)

    @property
    def passed(self) -> bool:
        """Whether all were, and everything is as it was before."""
        held = self.blocked == len(self.findings)
        return held and self.before == self.after and not self.leftovers


@dataclass
class Play:
    """A suite that is being run. Make it with `prepared`."""

    session: Session
    observed: Observed
    scene: Scene
    batches: dict[bool, Batch]  # by whether there is a hurry
    events: list[Event] = field(default_factory=list)

    def honest(self) -> float:
        """Measure the honest candidate; its metric.

        Raises:
            RunnerError: it did not come to a metric.
        """
        (result,) = self._measure(False, honest_source(), runs=1, smoke=False)
        if result.status is not Status.OK or result.metric is None:
            raise RunnerError(
                f"The honest candidate of the red team ended as {result.status} "
                f"({result.message}): nothing can be compared with it. Look at "
                f"`python -m runner doctor`. It said: {result.log_tail[-500:]}"
            )
        return result.metric

    def attack(self, case: Case, honest: float) -> Finding:
        """Run one case and judge it."""
        self.scene.damage()  # whatever was before is not this one's
        self.events.clear()
        self.observed.seen.clear()
        started = time.monotonic()
        results = self._measure(case.hurry, case.source, runs=case.runs, smoke=case.smoke)
        took_s = time.monotonic() - started
        evidence = Evidence(
            measurements=results,
            observations=tuple(self.observed.seen),
            events=tuple(self.events),
            damage=self.scene.damage(),
            survivors=self._survivors(results),
            took_s=took_s,
            captions=self.scene.captions,
        )
        return judge(case, evidence, honest)

    def _measure(self, hurry: bool, source: bytes, *, runs: int, smoke: bool) -> list[Measurement]:
        files = candidate_files(source, self.scene.known)
        # Of a form of its own, so that processes can be recognised by it.
        seed = secrets.randbelow(MAX_SEED // 1000) * 1000 + 7
        planned = [PlannedRun(f"run-{number}", files, seed, smoke) for number in range(runs)]
        return list(self.batches[hurry].run(planned))

    def _survivors(self, results: Sequence[Measurement]) -> list[str]:
        """Processes of the run that are still there: by its namespaces, and by its seed."""
        own = Path("/proc/self/ns/pid").stat().st_ino
        spaces = {
            space: started
            for seen in self.observed.seen
            for space, started in seen.namespaces.items()
            if space != own
        }
        marks = {f"SEED={result.seed}".encode() for result in results}
        found, inside = set[str](), dict[int, list[tuple[int, str]]]()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                shown = f"{process.name} {(process / 'comm').read_text().strip()}"
                if not marks.isdisjoint((process / "environ").read_bytes().split(b"\0")):
                    found.add(shown)
                space = (process / "ns/pid").stat().st_ino
                if space in spaces:
                    inside.setdefault(space, []).append((_started(process), shown))
        for space, members in inside.items():
            # A namespace lives as long as its first process, which is older than our job. Of a
            # later namespace that got the same number all processes are younger.
            if min(members)[0] <= spaces[space]:
                found.update(shown for _, shown in members)
        return sorted(found)


def _started(process: Path) -> int:
    """Clock ticks after boot (field 22 of proc_pid_stat(5))."""
    return int((process / "stat").read_text().rpartition(")")[2].split()[19])


def run_suite(
    cases: Sequence[Case],
    repository: Path,
    settings: RunnerSettings,
    on_finding: Callable[[Finding], None],
    diffs: Sequence[DiffCase] = (),
) -> Report:
    """Run `cases` in the sandbox that `settings` choose, and `diffs` against the rules.

    Raises:
        RunnerError: the sandbox, the interpreter or the data cannot be had.
    """
    started = time.monotonic()
    with prepared(repository, settings) as play:
        before = play.honest()
        findings = []
        for case in cases:
            if case.gpu and play.session.confinement.gpu is None:
                continue
            findings.append(play.attack(case, before))
            on_finding(findings[-1])
        findings += run_diffs(diffs, play.scene.drop.parent / "changes", on_finding)
        after = play.honest()
        folder = play.session.data.folder
        check_folder(folder, folder.name, thorough=True)
        backend = play.observed.name
    return Report(
        backend=backend,
        findings=tuple(findings),
        before=before,
        after=after,
        leftovers=tuple(leftovers()),
        seconds=time.monotonic() - started,
    )


@contextlib.contextmanager
def prepared(
    repository: Path, settings: RunnerSettings, *, unconfined: bool = False
) -> Iterator[Play]:
    """Fresh tiny data with a salt of its own, the scene around it, and batches to run in.

    `unconfined` allows the backend `none`: for tests of the judge, with attacks that do no harm.
    """
    events: list[Event] = []
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(workspace())
        small = _smaller(settings)
        conditions = Conditions(repository=str(repository))
        session = open_session(
            conditions, small, lambda _event: None, unconfined=unconfined, cache=folder / "cache"
        )
        around = stack.enter_context(scene(folder, session.data, small.sandbox.processes))
        observed = Observed(session.confinement.sandbox, around.secrets)
        session = replace(session, confinement=replace(session.confinement, sandbox=observed))
        batches = {
            hurry: stack.enter_context(variant.batch(events.append))
            for hurry, variant in ((False, session), (True, _hurried(session)))
        }
        yield Play(session, observed, around, batches, events)


def _smaller(settings: RunnerSettings) -> RunnerSettings:
    """The user's interpreter and sandbox with small limits and tiny data."""
    tables = settings.model_dump()
    tables["candidate"] |= {"paths": ["train.py", "kit.py", "known.json"], "entry": "train.py"}
    # Whatever the project is: the attacks are on the default task, which has the most to lose.
    tables["candidate"] |= {"command": [], "folder": ".", "needs": [], "environment": {}}
    tables["metric"] |= {"pattern": None, "secondary": {}}
    tables["task"] = {"size": "tiny"}
    tables["mount"] = ()
    tables["budget"] |= _BUDGET
    tables["sandbox"] |= _LIMITS
    return RunnerSettings.model_validate(tables)


def _hurried(session: Session) -> Session:
    budget = session.settings.budget.model_copy(update=_HURRY)
    return replace(
        session,
        settings=session.settings.model_copy(update={"budget": budget}),
        runner_class=session.runner_class.model_copy(update={"budget_s": _HURRY_BUDGET_S}),
    )


def leftovers() -> list[str]:
    """Labelled control groups and temporary folders of this process that are still there."""
    mine = new_label().rpartition("-")[0]
    places = [folder for one in cgroups.candidates() for folder in one.folders]
    return [
        str(path)
        for place in dict.fromkeys([*places, Path(tempfile.gettempdir())])
        for path in sorted(place.glob(f"{mine}-*"))
    ]
