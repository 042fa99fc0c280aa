from __future__ import annotations

import re

import numpy as np
import pytest

from runner.errors import DataError
from runner.task.art import STYLES, Art
from runner.task.vocabulary import Thing, plain_name, things


@pytest.fixture(scope="module")
def all_art() -> Art:
    return Art(things())


def test_names_are_unique_and_of_one_or_two_plain_words() -> None:
    names = [thing.name for thing in things()]
    assert len(set(names)) == len(names) > 500
    assert all(re.fullmatch(r"[a-z]+( [a-z]+)?", name) for name in names)


def test_characters_are_unique_single_code_points() -> None:
    characters = [thing.character for thing in things()]
    assert len(set(characters)) == len(characters)
    assert all(len(character) == 1 for character in characters)


def test_the_small_vocabulary_is_the_start_of_the_full_one() -> None:
    assert things(200) == things()[:200]
    assert len(things(200)) == 200


@pytest.mark.parametrize(
    ("name", "some", "size", "phrase"),
    [
        ("dog", False, "", "a dog"),
        ("ox", False, "", "an ox"),
        ("ox", False, "small", "a small ox"),
        ("umbrella", False, "", "an umbrella"),
        ("unicorn", False, "", "a unicorn"),
        ("hourglass", False, "", "an hourglass"),
        ("grapes", True, "", "some grapes"),
        ("grapes", True, "large", "some large grapes"),
    ],
)
def test_phrases_have_the_right_article(name: str, some: bool, size: str, phrase: str) -> None:
    assert Thing(name, "x", some).phrase(size) == phrase


def test_short_names_become_plain_words() -> None:
    assert plain_name(":T-Rex:") == "t rex"
    assert plain_name(":piñata:") == "pinata"
    assert plain_name(":red_apple:") == "red apple"


def test_every_object_has_a_picture_in_both_styles(all_art: Art) -> None:
    for index, thing in enumerate(things()):
        sprites = [all_art.sprite(index, style, 24) for style in range(len(STYLES))]
        assert all(max(sprite.width, sprite.height) >= 20 for sprite in sprites), thing
        same_shape = sprites[0].colour.shape == sprites[1].colour.shape
        assert not (same_shape and np.array_equal(sprites[0].colour, sprites[1].colour)), thing


def test_no_two_objects_look_alike(all_art: Art) -> None:
    count = len(things())
    for style in range(len(STYLES)):
        sprites = [all_art.sprite(index, style, 24) for index in range(count)]
        pictures = {(s.colour.tobytes(), s.background_share.tobytes()) for s in sprites}
        assert len(pictures) == count


def test_sprites_fill_their_box_and_have_at_most_the_colour_of_their_alpha(all_art: Art) -> None:
    for index in range(0, len(things()), 7):
        for size in (12, 25, 42):
            sprite = all_art.sprite(index, index % 2, size)
            alpha = 255 - sprite.background_share[..., 0]
            assert sprite.colour.max(axis=2).astype(int).tolist() <= alpha.tolist()
            assert (sprite.colour <= alpha[..., None]).all()
            for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]):
                assert edge.any()


@pytest.mark.parametrize("character", ["\U000e0fff", "x"])
def test_a_missing_picture_is_an_error_that_names_the_object(character: str) -> None:
    with pytest.raises(DataError, match="gizmo"):
        Art([Thing("gizmo", character, some=False)])
