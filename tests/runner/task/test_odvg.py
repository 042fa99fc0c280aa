from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from runner.errors import DataError
from runner.task.odvg import (
    AnnotatedImage,
    Clips,
    Grounding,
    Region,
    load_image,
    read_annotations,
    write_annotations,
)


def line(**changes: Any) -> dict[str, Any]:
    regions = [{"bbox": [1, 2, 3, 4], "phrase": "dog"}]
    grounding = {"caption": "a dog", "regions": regions}
    return {"filename": "a.png", "width": 8, "height": 6, "grounding": grounding} | changes


def with_box(*box: float) -> dict[str, Any]:
    return line(grounding={"caption": "a dog", "regions": [{"bbox": box, "phrase": "dog"}]})


def annotated(filename: str, width: int = 8, height: int = 6) -> AnnotatedImage:
    return AnnotatedImage(
        filename=filename, width=width, height=height, grounding=Grounding(caption="a dog")
    )


@given(
    st.lists(
        st.builds(
            lambda caption, x, y, w, h, phrase: AnnotatedImage(
                filename="images.npy#3",
                width=50,
                height=40,
                grounding=Grounding(
                    caption=caption,
                    regions=(Region(bbox=(x, y, x + w, y + h), phrase=phrase),),
                ),
            ),
            st.text(min_size=1),
            st.integers(0, 20),
            st.floats(0, 19),
            st.integers(1, 30),
            st.floats(0.5, 20),
            st.text(min_size=1),
        ),
        max_size=4,
    )
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, images: list[AnnotatedImage]
) -> None:
    path = tmp_path_factory.mktemp("odvg") / "annotations.jsonl"
    write_annotations(path, images)
    assert list(read_annotations(path)) == images


def test_the_form_on_disk_is_the_one_that_detection_data_sets_use(tmp_path: Path) -> None:
    path = tmp_path / "annotations.jsonl"
    path.write_text(json.dumps(line()) + "\n")
    [image] = read_annotations(path)
    write_annotations(path, [image])
    assert json.loads(path.read_text()) == line()


def test_further_keys_are_left_out_and_a_list_of_boxes_becomes_a_region_each(
    tmp_path: Path,
) -> None:
    region = {"bbox": [[1, 2, 3, 4], [5, 1, 8, 6]], "phrase": "dog", "tokens_positive": [[0, 3]]}
    found = line(dataset="photos", grounding={"caption": "dogs", "regions": [region], "id": 3})
    path = tmp_path / "annotations.jsonl"
    path.write_text(json.dumps(found) + "\n")
    [image] = read_annotations(path)
    assert [(r.bbox, r.phrase) for r in image.grounding.regions] == [
        ((1, 2, 3, 4), "dog"),
        ((5, 1, 8, 6), "dog"),
    ]
    write_annotations(path, [image])
    assert json.loads(path.read_text()).keys() == line().keys()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (with_box(3, 2, 3, 4), "empty or outside"),
        (with_box(1, 2, 9, 4), "empty or outside"),
        (with_box(-1, 2, 3, 4), "empty or outside"),
        (with_box(1, 2, 3), "bbox"),
        (with_box(1, 2, 3, float("nan")), "line 2"),
        (line(width=0), "width"),
        (line(filename="/etc/passwd"), "relative path"),
        (line(filename="../a.png"), "relative path"),
        (line(filename=""), "relative path"),
        (line(grounding={"caption": "a dog", "regions": [{"bbox": [[]], "phrase": "x"}]}), "bbox"),
        (line(grounding={"caption": "a dog", "regions": [{"bbox": [], "phrase": "x"}]}), "bbox"),
        (line(grounding={"caption": "a dog", "regions": {"bbox": 1}}), "regions"),
        (line(grounding={"caption": "", "regions": []}), "caption"),
        ([], "line 2"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, bad: object, message: str) -> None:
    path = tmp_path / "annotations.jsonl"
    path.write_text(f"{json.dumps(line())}\n{json.dumps(bad)}\n")
    with pytest.raises(DataError, match="line 2") as caught:
        list(read_annotations(path))
    assert message in str(caught.value)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_with_a_typed_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("odvg") / "annotations.jsonl"
    path.write_bytes(content)
    try:
        list(read_annotations(path))
    except DataError as error:
        assert str(path) in str(error)


numbers = st.integers(-99, 99) | st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.lists(numbers, min_size=4, max_size=4), max_size=5))
def test_clipping_keeps_of_any_boxes_what_is_inside_and_counts_the_others(
    tmp_path_factory: pytest.TempPathFactory, boxes: list[list[float]]
) -> None:
    path = tmp_path_factory.mktemp("odvg") / "annotations.jsonl"
    regions = [{"bbox": box, "phrase": "dog"} for box in boxes]
    path.write_text(json.dumps(line(grounding={"caption": "a dog", "regions": regions})) + "\n")
    clips = Clips()
    [image] = read_annotations(path, clips)  # which has checked that the boxes are inside
    assert len(image.grounding.regions) == len(boxes) - clips.dropped
    inside = sum(0 <= x1 < x2 <= 8 and 0 <= y1 < y2 <= 6 for x1, y1, x2, y2 in boxes)
    assert clips.clipped == len(image.grounding.regions) - inside


def test_images_are_read_from_arrays_and_from_files(tmp_path: Path) -> None:
    images = np.arange(3 * 6 * 8 * 3, dtype=np.uint8).reshape(3, 6, 8, 3)
    np.save(tmp_path / "images.npy", images)
    Image.fromarray(images[1]).save(tmp_path / "a.png")
    assert np.array_equal(load_image(tmp_path, annotated("images.npy#2")), images[2])
    assert np.array_equal(load_image(tmp_path, annotated("a.png")), images[1])


@pytest.mark.parametrize(
    "filename",
    [
        "missing.png",
        "broken.png",
        "cut.png",
        "empty.npy#0",
        "pipe",
        "folder",
        "images.npy#9",
        "images.npy#-1",
        "images.npy#x",
    ],
)
def test_a_missing_or_unreadable_image_is_an_error_and_never_a_blank(
    tmp_path: Path, filename: str
) -> None:
    np.save(tmp_path / "images.npy", np.zeros((3, 6, 8, 3), np.uint8))
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    (tmp_path / "empty.npy").touch()
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    Image.effect_noise((8, 6), 50).convert("RGB").save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="missing or unreadable"):
        load_image(tmp_path, annotated(filename))


def test_an_image_of_another_size_than_annotated_is_an_error(tmp_path: Path) -> None:
    Image.new("RGB", (8, 7)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="8 x 6"):
        load_image(tmp_path, annotated("a.png"))


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    inside = tmp_path / "data"
    inside.mkdir()
    Image.new("RGB", (8, 6)).save(tmp_path / "secret.png")
    (inside / "a.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match="leads out"):
        load_image(inside, annotated("a.png"))


def test_a_picture_that_claims_a_monstrous_size_is_refused(tmp_path: Path) -> None:
    # A GIF's size is two numbers of its first ten bytes.
    path = tmp_path / "bomb.gif"
    Image.new("P", (8, 6)).save(path)
    content = bytearray(path.read_bytes())
    content[6:10] = b"\xff" * 4
    path.write_bytes(content)
    with pytest.raises(DataError, match="missing or unreadable"):
        load_image(tmp_path, annotated("bomb.gif"))
