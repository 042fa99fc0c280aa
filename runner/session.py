"""Gets everything ready that a batch needs on this machine: interpreter, sandbox, data, class."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.batch import Batch, PlannedRun
from runner.candidate import read_folder, read_tree
from runner.digests import harness_digest, shaping
from runner.errors import RequestError, RunnerError
from runner.events import DataEvent, Emit, NoticeEvent, WaitingEvent
from runner.gpu import Gpu, device_name, find_gpu
from runner.interpreter import Interpreter, find_interpreter
from runner.kinds.base import Task
from runner.kinds.predictions import PredictionsTask
from runner.kinds.project import find_program
from runner.kinds.reported import ReportedTask
from runner.kinds.retrieval import RetrievalTask
from runner.measure import Circumstances
from runner.request import BatchRequest, Conditions
from runner.result import Comparability, RunnerClass, Split
from runner.runner_class import describe
from runner.sandbox.choose import choose
from runner.settings import RunnerSettings
from runner.settings_file import load
from runner.task.compose import SizeName
from runner.task.prepare import TaskData, cache_folder, prepare
from runner.task_tables import TaskTable
from runner.trial import Confinement
from runner.turns import turn
from runner.workspace import workspace


@dataclass(frozen=True)
class Session:
    """This machine with these settings."""

    repository: Path
    settings: RunnerSettings
    confinement: Confinement
    task: Task
    split: Split
    sealed: bool
    runner_class: RunnerClass

    @property
    def data(self) -> TaskData:
        """The data of the default task. Only for what is about that task alone."""
        if not isinstance(self.task, RetrievalTask):
            raise RunnerError("This project has no data of the default task (task.kind).")
        return self.task.data

    def comparability(self) -> Comparability:
        """What two numbers must share to be compared."""
        return Comparability(
            runner_class=self.runner_class,
            data=self.task.digest,
            scorer=self.task.scorer,
            harness=harness_digest(shaping(self.settings)),
        )

    @contextlib.contextmanager
    def batch(self, emit: Emit) -> Iterator[Batch]:
        """A batch with the device to itself, and a temporary folder, which is gone afterwards."""
        around = Circumstances(self.comparability(), self.split, self.task.self_reported)
        device = device_name(self.confinement.gpu)
        waiting = WaitingEvent(f"waiting for another measurement on this machine ({device})")
        with turn(device, lambda: emit(waiting)), workspace() as folder:
            full = self.task.full(self.split, folder)
            smoke = self.task.smoke(folder)
            sealed = self.task.sealed(folder) if self.sealed else None
            yield Batch(self.settings, self.confinement, around, full, smoke, folder, emit, sealed)


def settings_for(conditions: Conditions, settings_file: Path | None) -> RunnerSettings:
    """Those in the request, else in `settings_file`, else in the repository's bot.toml.

    Raises SettingsError.
    """
    if conditions.settings is not None:
        return conditions.settings
    return load(settings_file or Path(conditions.repository) / "bot.toml")


def open_session(
    conditions: Conditions,
    settings: RunnerSettings,
    emit: Emit,
    *,
    unconfined: bool,
    cache: Path | None = None,
) -> Session:
    """Find or prepare everything; the data in `cache`, which is `cache_folder()` by default.

    Raises RunnerError, whose message says what to do.
    """
    repository = Path(conditions.repository).resolve()
    interpreter = interpreter_of(repository, settings)
    table = settings.sandbox
    sandbox = choose(
        table.backend,
        unconfined,
        image=table.image,
        runtime=table.runtime,
        tell=lambda message: emit(NoticeEvent(message)),
    )
    gpu = find_gpu(settings.budget, interpreter, cache_folder())
    budget_s = conditions.budget_s or (settings.budget.gpu_s if gpu else settings.budget.cpu_s)
    task = _task(
        repository,
        settings,
        conditions,
        interpreter=interpreter,
        budget_s=budget_s,
        gpu=gpu,
        cache=cache or cache_folder(),
        emit=emit,
    )
    return Session(
        repository=repository,
        settings=settings,
        confinement=Confinement(sandbox, interpreter, task.runtime(), gpu, settings.sandbox),
        task=task,
        split=conditions.split,
        sealed=conditions.sealed,
        runner_class=describe(
            interpreter=interpreter,
            gpu=gpu,
            budget_s=budget_s,
            data=task.version,
            data_digest=task.digest,
            sandbox=sandbox.identity(),
        ),
    )


def _task(
    repository: Path,
    settings: RunnerSettings,
    conditions: Conditions,
    *,
    interpreter: Interpreter,
    budget_s: float,
    gpu: Gpu | None,
    cache: Path,
    emit: Emit,
) -> Task:
    """The task that the settings name, with its data on this machine."""
    if not settings.own_script:
        # Made now if it is not there.
        data = prepare(_size(settings.task, gpu), cache, on_progress=_progress(emit))
        return RetrievalTask(data, settings, interpreter, budget_s)
    if settings.self_reported:
        if conditions.split != "validation":
            raise RequestError("A self-reported metric has no sealed split. Leave --split away.")
        return ReportedTask.open(repository, settings, interpreter, cache, _progress(emit))
    if conditions.split == "sealed" and not settings.task.sealed_inputs:
        raise RequestError(
            "There is no sealed split: bot.toml names no task.sealed_inputs. Leave --split away."
        )
    return PredictionsTask.open(
        repository, settings, interpreter, cache, _progress(emit), base=conditions.base
    )


def _progress(emit: Emit) -> Callable[[float, str], None]:
    return lambda fraction, what: emit(DataEvent(fraction, what))


def interpreter_of(repository: Path, settings: RunnerSettings) -> Interpreter:
    """What runs candidates: an interpreter of Python, or the program that `command` names."""
    command = settings.candidate.command
    if command and command[0] != "python":
        return find_program(command[0])
    return find_interpreter(repository, settings.candidate)


def data_size(repository: Path, settings: RunnerSettings) -> SizeName:
    """The size of the task's data that goes with the settings and this machine."""
    if settings.task.size != "auto":
        return settings.task.size
    interpreter = find_interpreter(repository, settings.candidate)
    return _size(settings.task, find_gpu(settings.budget, interpreter, cache_folder()))


def _size(table: TaskTable, gpu: Gpu | None) -> SizeName:
    if table.size != "auto":
        return table.size
    return "full" if gpu else "small"


def plan(request: BatchRequest, session: Session) -> Sequence[PlannedRun]:
    """The runs of a batch with their files. Raises RequestError before anything is run."""
    table = session.settings.candidate
    runs = []
    for run in request.runs:
        if run.tree is not None:
            files = read_tree(session.repository, run.tree, table)
        else:
            files = read_folder(session.repository / str(run.files), table, session.repository)
        session.task.check(files)
        runs.append(PlannedRun(run.id, files, run.seed, run.smoke))
    return runs
