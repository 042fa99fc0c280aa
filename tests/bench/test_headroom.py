from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import headroom, headroom_arms, headroom_tables
from bench.figures import write_between
from bench.headroom_oracle import RECOGNISED, Kind, Step, oracle
from bench.headroom_tables import Bound
from bench.journal import Line, read
from bot.proposers.constants import find
from bot.proposers.ranges import Choices
from runner.task.prepare import prepare
from tests.bench.test_journal import line
from tests.project import TOP
from tests.runner.candidates import HONEST

SHIPPED = (TOP / "train.py").read_text()
BLOCK = SHIPPED[SHIPPED.index("# --- constants") : SHIPPED.index("# --- end")]
SETTINGS = """
[candidate]
python = {python}
[task]
size = "tiny"
[budget]
profile = "cpu"
cpu_s = 2
smoke_s = 0.5
[sandbox]
memory_gb = 0.5
"""


def make_project(folder: Path) -> Path:
    """A project whose script takes a moment to train, with the constants of the real one."""
    folder.mkdir(parents=True)
    (folder / "train.py").write_text(f"{BLOCK}# --- end of constants ---\n{HONEST}")
    (folder / "bot.toml").write_text(SETTINGS.format(python=json.dumps(sys.executable)))
    return folder


@pytest.fixture
def project(tmp_path: Path, measuring_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MERGELAB_CACHE", str(measuring_cache))
    monkeypatch.delenv("MERGELAB_CANDIDATE_PYTHON", raising=False)
    monkeypatch.setattr(headroom_arms, "TUNED_FILE", tmp_path / "tuned.json")
    return make_project(tmp_path / "project")


def run(project: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    kept = project.parent / "headroom.jsonl"
    options = ["--repository", str(project), "--journal", str(kept), "--json", *arguments]
    assert headroom.main(options) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_what_was_measured_is_not_measured_again(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = project.parent / "headroom.jsonl"
    first = run(project, capsys, "--only", "arms", "--seeds", "2")
    (place,) = first["places"]
    assert {name: len(values) for name, values in place["arms"].items()} == {
        "baseline": 2,
        "clamp relaxed": 2,
        "clamp relaxed, experts off": 2,
    }
    whole = kept.read_bytes().splitlines(keepends=True)
    kept.write_bytes(b"".join(whole[:4]) + whole[4][:100])
    assert run(project, capsys, "--only", "arms", "--seeds", "2") == first  # one seed, one result
    again = kept.read_bytes().splitlines(keepends=True)
    assert (len(again), again[:4]) == (6, whole[:4])
    assert [each.measurement.seed for each in read(kept)] == [1, 1, 1, 2, 2, 2]
    assert run(project, capsys, "--report", "--only", "arms") == first


def test_a_search_goes_on_as_if_it_had_not_been_interrupted_and_is_kept(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = project.parent / "headroom.jsonl"
    run(project, capsys, "--only", "tune", "--trials", "3")
    whole = [(each.number, each.values, each.measurement.seed) for each in read(kept)]
    kept.write_bytes(kept.read_bytes().splitlines(keepends=True)[0])
    run(project, capsys, "--only", "tune", "--trials", "3")
    assert [(each.number, each.values, each.measurement.seed) for each in read(kept)] == whole
    assert [number for number, _, _ in whole] == [0, 1, 2]
    (found,) = headroom_arms.tuned("tiny")
    assert "MAX_LOGIT_SCALE" in found.values
    assert found.best == min(each.measurement.metric or 1e9 for each in read(kept))


def test_every_configuration_and_idea_lies_within_the_ranges_of_the_shipped_file() -> None:
    domains = {each.name: each.domain for each in find(SHIPPED.encode()).constants}
    found = {each.name: each.values for each in headroom_arms.tuned("small")}
    assert tuple(found) == headroom_arms.FOUND
    for values in (headroom_arms.RELAXED, *headroom_arms.IDEAS.values(), *found.values()):
        for name, value in values.items():
            domain = domains[name]
            if isinstance(domain, Choices):
                assert value in domain.values
            else:
                assert domain.low <= float(value) <= domain.high


def test_who_sees_everything_ranks_first_and_who_sees_less_ranks_worse(
    measuring_cache: Path,
) -> None:
    steps = {step.knows: step.mean_rank for step in oracle(prepare("tiny", measuring_cache))}
    everything = steps[tuple(Kind)]
    assert everything[1.0] == 1.0
    assert everything[0.5] > everything[0.9] > 1.0
    objects = steps[(Kind.OBJECT,)]
    assert objects[1.0] > steps[(Kind.OBJECT, Kind.RELATION)][1.0]  # twins differ in a relation
    assert steps[(Kind.COLOUR,)][1.0] > 5 * objects[1.0]


def two_places(*values: tuple[float, ...], spread: float = 0.0) -> list[Line]:
    """Ideas on top of a relaxed clamp of 10 in two places, on two seeds that differ by `spread`."""
    names = list(headroom_arms.IDEAS)[: len(values[0])]
    lines = []
    for harness, told in zip(("a" * 64, "b" * 64), values, strict=True):
        for arm, value in zip(("clamp relaxed", *names), (10.0, *told), strict=True):
            for seed in (1, 2):
                change = spread * (seed - 1.5) if arm != "clamp relaxed" else 0.0
                made = line(arm, value + change, study="ideas", seed=seed)
                digests = made.measurement.digests.model_copy(update={"harness": harness})
                measured = made.measurement.model_copy(update={"digests": digests})
                lines.append(made.model_copy(update={"measurement": measured}))
    return lines


def test_two_places_agree_on_the_order_of_ideas_or_not() -> None:
    lines = two_places((5.0, 6.0, 7.0, 12.0), (5.0, 6.0, 7.0, 8.0), spread=0.02)
    (told,) = headroom_tables.agreements(headroom_tables.places(lines))
    assert told.rho == pytest.approx(1.0)
    assert told.rho_interval == pytest.approx((1.0, 1.0))
    names = tuple(headroom_arms.IDEAS)
    assert (told.ideas, told.alike, told.disagree) == (4, names[:3], names[3:4])
    text = headroom_tables.document(lines, [])
    assert "+20.0 % (+18.7 % to +21.3 %)" in text
    assert "| 1 (1 to 1) |" in text


def test_an_idea_turns_only_if_both_intervals_exclude_no_effect() -> None:
    lines = two_places((5.0, 6.0, 7.0, 12.0), (5.0, 6.0, 7.0, 8.0), spread=2.0)
    (told,) = headroom_tables.agreements(headroom_tables.places(lines))
    assert (told.alike, told.disagree) == ((), ())
    once = [each for each in lines if each.measurement.seed == 1]
    (told,) = headroom_tables.agreements(headroom_tables.places(once))
    assert (told.disagree, told.rho_interval) == ((), None)
    assert "(one run)" in headroom_tables.document(once, [])


def test_the_upper_bounds_of_several_sizes_stand_beside_each_other() -> None:
    step = Step((Kind.OBJECT,), dict.fromkeys(RECOGNISED, 2.5), dict.fromkeys(RECOGNISED, 0.5))
    bounds = [Bound(size, f"scenes-3-{size}", (step,)) for size in ("small", "full")]
    told = headroom_tables.document([], bounds)
    assert "### What can be reached: validation split of `small` (scenes-3-small)" in told
    assert "### What can be reached: validation split of `full` (scenes-3-full)" in told
    assert [each["size"] for each in headroom.figures([], bounds)["oracle"]] == ["small", "full"]


def test_a_place_that_is_asked_for_is_called_not_measured_until_it_is() -> None:
    for lines in ([], two_places((5.0, 6.0, 7.0), (5.0, 6.0, 7.0))):
        told = headroom_tables.document(lines, [])
        assert "### Configurations: full, 300 s on a GPU\n\nNot measured." in told
        row = next(line for line in told.splitlines() if line.startswith("| twice the batch"))
        assert row.endswith("| not measured |")
        assert f"| small, 60 s; full, 300 s on a GPU |{' not measured |' * 4}" in told


def test_what_was_found_is_kept_by_name_for_each_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(headroom_arms, "TUNED_FILE", tmp_path / "tuned.json")
    one = headroom_arms.Tuned(
        size="small", budget_s=30, device="cpu", found_by="", found_at="", best=2.0, values={}
    )
    night = one.model_copy(update={"name": headroom_arms.NIGHT})
    for each in (night, one, one.model_copy(update={"size": "full"}), one):
        headroom_arms.keep(each)
    assert headroom_arms.tuned("small") == (one, night)
    names = [
        each.name for each in headroom_arms.configurations({"e": BLOCK.encode()}, "e", [night])
    ]
    assert names[-2:] == [headroom_arms.NIGHT, f"{headroom_arms.NIGHT}, experts off"]


def test_the_expert_branch_is_compared_seed_by_seed() -> None:
    lines = [line("clamp relaxed", v, seed=s) for s, v in ((1, 10.0), (2, 20.0))]
    lines += [line("clamp relaxed, experts off", v, seed=s) for s, v in ((1, 9.0), (2, 18.0))]
    told = headroom_tables.experts_table(headroom_tables.places(lines)[0])
    assert "| clamp relaxed | 2 | 1.5 (-4.853 to 7.853) |" in told
    assert "| tuned | 0 | not measured |" in told


@pytest.mark.parametrize("name", ["headroom", "night", "gpu"])
def test_the_page_of_results_has_a_place_for_what_each_command_writes(
    tmp_path: Path, name: str
) -> None:
    page = tmp_path / "results.md"
    page.write_text((TOP / "docs" / "results.md").read_text())
    write_between(page, name, "figures of today")
    assert "figures of today" in page.read_text()
