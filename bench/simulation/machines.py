"""Who plays GitHub Actions in a history: runs of measure.yml end after their time, or are lost."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.simulation.books import Name, Process
from bench.simulation.project import HARNESS, measured
from bench.simulation.surroundings import RUN_S
from bench.simulation.world import World
from bot.git import GitError, Repository
from runner.actions.documents import ARTIFACT, DOCUMENT, Expected, Published
from runner.digests import candidate_digest
from runner.result import Measurement

if TYPE_CHECKING:
    from tests.github.state import GitHub, WorkflowRun


@dataclass(eq=False)
class _Job:
    run: WorkflowRun
    process: Process
    due: float
    names: list[Name]
    lost: bool


@dataclass
class Machines:
    """As many as are asked for. `repository` is the one on GitHub."""

    github: GitHub
    repository: Repository
    world: World
    dispatching: Process | None = None  # whose call is being answered
    _jobs: list[_Job] = field(default_factory=list)

    def take(self, run: WorkflowRun) -> None:
        """A workflow was dispatched (`GitHub.on_dispatch`)."""
        asked = json.loads(run.inputs["runs"])
        names: list[Name] = [(run.inputs["attempt"], each["index"]) for each in asked]
        by = self.dispatching
        assert by
        process = Process(f"workflow {run.id}", by.looked_at, listed=not by.misled)
        for name in names:
            self.world.books.begin(name, process)
        due = self.world.clock.seconds + RUN_S * len(names)
        lost = self.world.faults.strikes("workflow lost")
        self._jobs.append(_Job(run, process, due, names, lost))

    def advance(self) -> None:
        """End what is due by now."""
        for job in [one for one in self._jobs if one.due <= self.world.clock.seconds]:
            self._jobs.remove(job)
            archive = None if job.lost else self._archive(job)
            if archive is None:
                self.github.finish_run(job.run.id, "failure")
                self.world.books.end(job.process)
                continue
            for name in job.names:
                self.world.books.finish(name, job.process)
            self.github.finish_run(job.run.id, "success", {ARTIFACT: archive})
            if self.world.faults.strikes("answered twice"):
                self.github.add_artifact(job.run.id, ARTIFACT, archive)

    def _archive(self, job: _Job) -> bytes | None:
        """What gate, train and report make of it; None when the gate refuses."""
        inputs = job.run.inputs
        pull = self.github.pulls[int(inputs["pr"])]
        if pull.state != "open" or pull.head != inputs["head_sha"]:
            return None
        try:
            merged = self.repository.merge_tree(inputs["base_sha"], inputs["head_sha"])
        except GitError:
            return None
        if not isinstance(merged, str):
            return None
        trees = {"candidate": merged, "baseline": inputs["base_sha"]}
        sources = {
            side: self.repository.read_file(tree, "train.py") or b"" for side, tree in trees.items()
        }
        asked = json.loads(inputs["runs"])
        document = Published(
            expected=self._expected(inputs, asked, sources),
            measurements=tuple(self._measured(each, sources[each["side"]]) for each in asked),
        )
        return _zipped(document.model_dump_json().encode())

    def _expected(
        self, inputs: dict[str, Any], asked: list[Any], sources: dict[str, bytes]
    ) -> Expected:
        digests = {side: candidate_digest({"train.py": data}) for side, data in sources.items()}
        return Expected.model_validate(
            {
                **inputs,
                **digests,
                "pr": int(inputs["pr"]),
                "runs": asked,
                "base_branch": "main",
                "harness": HARNESS,
                "scorer": "b" * 64,
            }
        )

    def _measured(self, asked: dict[str, Any], source: bytes) -> Measurement:
        result = measured(source, asked["seed"], self.world.chance, sealed=False)
        self.world.books.made.add((result["digests"]["candidate"], asked["seed"]))
        return Measurement.model_validate(result)


def _zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(DOCUMENT), data)
    return buffer.getvalue()
