"""measure.yml really runs: gate, training in the real sandbox, report; `act` plays GitHub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.workflows.archive import read_one
from runner.actions.documents import DOCUMENT, MOST_BYTES, parse_published
from runner.digests import candidate_digest
from tests.actions.place import BETTER, PAIR, LabOnGitHub, free_port
from tests.github.server import running
from tests.project import TRAIN

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def lab(tmp_path: Path, cache: Path) -> Iterator[LabOnGitHub]:
    port = free_port()
    made = LabOnGitHub.make(tmp_path / "lab", cache, port)
    with running(made.github, port):
        yield made


def test_an_honest_candidate_is_measured_and_reported(lab: LabOnGitHub) -> None:
    number = lab.open("exp/fewer-pixels", {"train.py": BETTER})
    run = lab.dispatch(number, PAIR)
    assert lab.engine.run(run) == "success", lab.engine.logs[run.id]
    archive = lab.artifact(run, "measurement")
    assert archive is not None
    published = parse_published(read_one(archive, DOCUMENT, MOST_BYTES))
    baseline, candidate = published.measurements
    assert candidate.digests.candidate == candidate_digest({"train.py": BETTER.encode()})
    assert baseline.digests.candidate == candidate_digest({"train.py": TRAIN.encode()})
    assert candidate.metric is not None and baseline.metric is not None
    assert candidate.metric < baseline.metric
    (check,) = lab.github.checks.values()
    assert (check.external_id, check.conclusion) == (f"{number}.1", "neutral")
    assert check.head == lab.github.pulls[number].head
    assert f"mean_rank {candidate.metric:.4g}" in check.output["title"]
    woken = [one for one in lab.github.runs.values() if one.path.endswith("/step.yml")]
    assert [one.head_branch for one in woken] == ["main"]
