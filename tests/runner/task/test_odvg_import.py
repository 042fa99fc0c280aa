"""A small sample in the form of detection data sets, with image files of several kinds."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from runner.errors import DataError
from runner.task.odvg import AnnotatedImage, Clips, load_image, read_annotations
from runner.task.odvg_import import Imported, import_odvg

LINES: list[dict[str, Any]] = [
    {
        "filename": "prints/wave.jpg",
        "height": 120,
        "width": 160,
        "grounding": {
            "caption": "A boat under a great wave.",
            "regions": [
                {"bbox": [16, 60, 64, 90], "phrase": "A boat", "tokens_positive": [[0, 6]]},
                {"bbox": [80.0, 0.0, 160.0, 97.5], "phrase": "a great wave"},
            ],
        },
    },
    {
        "filename": "fan.png",
        "height": 50,
        "width": 50,
        "grounding": {"caption": "A woman with a fan — 扇", "regions": []},
    },
    {
        "filename": "prints/fuji.gif",
        "height": 33,
        "width": 97,
        "grounding": {
            "caption": "two pines before the mountain",
            "regions": [{"bbox": [[0, 0, 10, 33], [87, 0, 97, 33]], "phrase": "two pines"}],
        },
    },
]


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """lines.jsonl and the folder pictures."""
    folder = tmp_path / "sample"
    (folder / "pictures" / "prints").mkdir(parents=True)
    wave = Image.new("RGB", (160, 120), "navy")
    ImageDraw.Draw(wave).rectangle((16, 60, 63, 89), fill="white")
    wave.save(folder / "pictures" / "prints" / "wave.jpg", quality=95)
    Image.new("RGBA", (50, 50), (200, 30, 30, 255)).save(folder / "pictures" / "fan.png")
    Image.new("L", (97, 33), 77).save(folder / "pictures" / "prints" / "fuji.gif")
    (folder / "lines.jsonl").write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in LINES), encoding="utf-8"
    )
    return folder


def run(sample: Path, out: Path, side: int = 48) -> Imported:
    return import_odvg(sample / "lines.jsonl", sample / "pictures", out, side)


def read(out: Path) -> list[AnnotatedImage]:
    return list(read_annotations(out / "annotations.jsonl"))


def test_images_become_one_array_of_squares_and_captions_stay(sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "data"
    assert run(sample, out) == Imported(images=3, with_regions=2)
    assert sorted(path.name for path in out.iterdir()) == ["annotations.jsonl", "images.npy"]
    images = np.load(out / "images.npy", allow_pickle=False)
    assert (images.shape, images.dtype) == ((3, 48, 48, 3), np.uint8)
    assert (images[1] == (200, 30, 30)).all()
    assert (images[2] == 77).all()
    lines = read(out)
    assert [line.filename for line in lines] == ["images.npy#0", "images.npy#1", "images.npy#2"]
    assert [line.grounding.caption for line in lines] == [
        line["grounding"]["caption"] for line in LINES
    ]
    assert {(line.width, line.height) for line in lines} == {(48, 48)}
    assert np.array_equal(load_image(out, lines[2]), images[2])


def test_boxes_are_scaled_with_their_images(sample: Path, tmp_path: Path) -> None:
    run(sample, tmp_path / "out")
    wave, fan, fuji = (line.grounding.regions for line in read(tmp_path / "out"))
    assert wave[0].bbox == pytest.approx((16 * 0.3, 60 * 0.4, 64 * 0.3, 90 * 0.4))
    assert wave[1].bbox == pytest.approx((24, 0, 48, 39))
    assert [region.phrase for region in wave] == ["A boat", "a great wave"]
    assert fan == ()
    assert fuji[0].bbox == pytest.approx((0, 0, 480 / 97, 48))
    assert fuji[1].bbox == pytest.approx((87 * 48 / 97, 0, 48, 48))
    pixels = np.load(tmp_path / "out" / "images.npy")[0]
    assert pixels[25:35, 6:18].min() > 200  # the white boat is where its box is
    assert pixels[25:35, 21:].max(initial=0) < 170


@pytest.mark.parametrize("side", [16, 31, 97, 200])
def test_a_box_on_the_edge_stays_inside_whatever_the_size(
    sample: Path, tmp_path: Path, side: int
) -> None:
    run(sample, tmp_path / "out", side)
    assert len(read(tmp_path / "out")) == 3  # reading checks that each box is inside


def test_every_user_may_read_the_result(sample: Path, tmp_path: Path) -> None:
    run(sample, tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "out" / "images.npy").stat().st_mode) == 0o644


def test_what_was_imported_can_be_imported_again(sample: Path, tmp_path: Path) -> None:
    run(sample, tmp_path / "one")
    import_odvg(tmp_path / "one" / "annotations.jsonl", tmp_path / "one", tmp_path / "two", 48)
    for name in ("annotations.jsonl", "images.npy"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_boxes_are_clipped_on_request_and_what_is_left_of_none_is_dropped(
    sample: Path, tmp_path: Path
) -> None:
    boxes = [
        [-1, 60, 64, 90],
        [80, 0, 163.5, 121],
        [0, 0, 160, 120],
        [160, 5, 170, 9],
        [7, 7, 7, 9],
    ]
    regions = [{"bbox": box, "phrase": f"box {n}"} for n, box in enumerate(boxes)]
    grounding = {"caption": "a boat under a wave", "regions": regions}
    lines = [LINES[1], LINES[0] | {"grounding": grounding}]
    (sample / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(DataError, match=r"line 2.*empty or outside"):
        run(sample, tmp_path / "strict")
    assert not (tmp_path / "strict").exists()
    done = import_odvg(
        sample / "lines.jsonl", sample / "pictures", tmp_path / "out", 48, clip_boxes=True
    )
    assert done == Imported(2, 1, Clips(2, 2, furthest=10.0, where="line 2, 'box 3'"))
    found = read(tmp_path / "out")[1].grounding.regions
    assert [region.phrase for region in found] == ["box 0", "box 1", "box 2"]
    assert found[0].bbox == pytest.approx((0, 24, 19.2, 36))
    assert found[1].bbox == pytest.approx((24, 0, 48, 48))
    assert found[2].bbox == pytest.approx((0, 0, 48, 48))


def test_nothing_is_clipped_of_boxes_that_are_inside(sample: Path, tmp_path: Path) -> None:
    plain = run(sample, tmp_path / "plain")
    clipped = import_odvg(
        sample / "lines.jsonl", sample / "pictures", tmp_path / "clipped", 48, clip_boxes=True
    )
    assert (plain.clips, clipped.clips) == (None, Clips())
    one, other = ((tmp_path / n / "annotations.jsonl").read_text() for n in ("plain", "clipped"))
    assert one == other


def missing(sample: Path) -> None:
    (sample / "pictures" / "fan.png").unlink()


def damaged(sample: Path) -> None:
    path = sample / "pictures" / "prints" / "wave.jpg"
    path.write_bytes(path.read_bytes()[:400])


def resized(sample: Path) -> None:
    Image.new("RGB", (51, 50)).save(sample / "pictures" / "fan.png")


def bad_line(sample: Path) -> None:
    with (sample / "lines.jsonl").open("a") as file:
        file.write('{"filename": "fan.png"}\n')


def no_lines(sample: Path) -> None:
    (sample / "lines.jsonl").write_text("")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (missing, r"fan\.png.*missing or unreadable"),
        (damaged, r"wave\.jpg.*missing or unreadable"),
        (resized, r"fan\.png.*50 x 50"),
        (bad_line, "line 4"),
        (no_lines, "no lines"),
    ],
)
def test_bad_data_is_named_and_nothing_is_written(
    sample: Path, tmp_path: Path, harm: Callable[[Path], None], message: str
) -> None:
    harm(sample)
    (tmp_path / "place").mkdir()
    with pytest.raises(DataError, match=message):
        run(sample, tmp_path / "place" / "out")
    assert list((tmp_path / "place").iterdir()) == []


def test_what_exists_is_not_overwritten(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("folder", "file", "link"):
        with pytest.raises(DataError, match="not overwritten"):
            run(sample, tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"
    assert list((tmp_path / "folder").iterdir()) == []


def test_an_interrupted_import_leaves_nothing(sample: Path, tmp_path: Path) -> None:
    def interrupt(share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    (tmp_path / "place").mkdir()
    with pytest.raises(KeyboardInterrupt):
        import_odvg(
            sample / "lines.jsonl",
            sample / "pictures",
            tmp_path / "place" / "out",
            48,
            interrupt,
        )
    assert list((tmp_path / "place").iterdir()) == []
