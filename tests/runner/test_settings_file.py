from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import SettingsError
from runner.settings_file import load


def test_an_empty_file_takes_every_default(tmp_path: Path) -> None:
    (tmp_path / "bot.toml").write_text("")
    assert load(tmp_path / "bot.toml").candidate.entry == "train.py"


def test_the_bots_own_tables_are_none_of_the_runners_business(tmp_path: Path) -> None:
    (tmp_path / "bot.toml").write_text('[proposer]\nname = "search"\n[budget]\ncpu_s = 7\n')
    assert load(tmp_path / "bot.toml").budget.cpu_s == 7


@pytest.mark.parametrize(
    "image",
    [
        "mergelab-candidate", "lab/candidates:2026-11", "localhost:5000/a/b:c",
        "name@sha256:" + "0" * 64, "sha256:" + "0" * 64, "0123456789ab",
    ],
)  # fmt: skip
def test_an_image_is_a_name_a_tag_a_digest_or_an_id(image: str, tmp_path: Path) -> None:
    (tmp_path / "bot.toml").write_text(f'[sandbox]\nimage = "{image}"\n')
    assert load(tmp_path / "bot.toml").sandbox.image == image


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[budget]\ncpu_s = -1\n", "budget.cpu_s: must be greater than 0; found -1"),
        ("[budget]\ncpu = 1\n", "budget.cpu"),
        ('[budget]\ncpu_s = "long"\n', "found 'long'"),
        ('[candidate]\npaths = ["../x"]\n', "inside the repository"),
        ('[candidate]\nentry = "other.py"\n', "must be one of paths"),
        ('[sandbox]\nbackend = "jail"\n', "sandbox.backend"),
        ('[sandbox]\nimage = "-v /:/host"\n', "sandbox.image"),
        ('[sandbox]\nruntime = "--privileged"\n', "sandbox.runtime"),
        ("[budget\n", "not valid TOML"),
        ("budget = 1\n", "budget"),
    ],
)
def test_a_mistake_is_told_with_file_key_and_what_was_found(
    text: str, told: str, tmp_path: Path
) -> None:
    (tmp_path / "bot.toml").write_text(text)
    with pytest.raises(SettingsError) as raised:
        load(tmp_path / "bot.toml")
    assert str(tmp_path / "bot.toml") in str(raised.value)
    assert told in str(raised.value)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--settings"):
        load(tmp_path / "bot.toml")
