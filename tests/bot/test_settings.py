from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import SettingsError
from bot.settings import Settings, load, parse

TOP = Path(__file__).parents[2]


def refusal(text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        parse(text.encode(), "bot.toml")
    return str(caught.value)


def test_an_empty_file_takes_every_default() -> None:
    assert parse(b"") == Settings()


def test_the_file_that_ships_is_valid_and_says_the_defaults() -> None:
    assert load(TOP) == Settings()


def test_an_unknown_key_is_named_with_what_is_allowed_and_what_was_meant() -> None:
    message = refusal("[budget]\ncpu_seconds = 3\n")
    assert "bot.toml: budget.cpu_seconds: unknown key" in message
    assert "cpu_s" in message


def test_an_unknown_table_is_named() -> None:
    assert "verdicts: unknown key. Did you mean 'verdict'?" in refusal("[verdicts]\n")


def test_an_unknown_key_of_a_guard_is_named_with_what_was_meant() -> None:
    message = refusal("[[guard]]\nnam = 'watts'\nmax_factor = 2\n")
    assert "guard.0.nam: unknown key. Did you mean 'name'?" in message
    assert "max_factor" in message


def test_rules_of_audits_simplifications_and_guards_are_settings() -> None:
    settings = parse(
        b"[audit]\nevery = 3\nlast = 4\n[simplification]\nmargin = 0.1\n"
        b"[[guard]]\nname = 'train_s'\nmax_factor = 1.2\n[[guard]]\nname = 'x'\nmax_factor = 2\n"
    )
    assert (settings.audit.every, settings.audit.last) == (3, 4)
    assert settings.simplification.margin == 0.1
    assert [guard.name for guard in settings.guard] == ["train_s", "x"]


@pytest.mark.parametrize(
    ("text", "key", "found"),
    [
        ('[budget]\ncpu_s = "long"', "budget.cpu_s", "'long'"),
        ("[budget]\ncpu_s = -1", "budget.cpu_s", "-1"),
        ("[budget]\ncpu_s = nan", "budget.cpu_s", "nan"),
        ('[metric]\ndirection = "up"', "metric.direction", "'up'"),
        ('[forge]\nkind = "svn"', "forge.kind", "'svn'"),
        ('[forge]\nkind = "github"', "forge.repository", "my-lab"),
        ('[repository]\nbase = "-x"', "repository.base", "'-x'"),
        ("[verdict]\nalpha = 0.7", "verdict.alpha", "0.7"),
        ("[audit]\nruns = 1", "audit.runs", "1"),
        ("[simplification]\nmargin = 0", "simplification.margin", "0"),
        ("[[guard]]\nname = 'x'\nmax_factor = 0.5", "guard.0.max_factor", "0.5"),
        ("[guard]\nname = 'x'", "guard", "'x'"),
        ('[candidate]\npaths = ["../x"]', "candidate.paths", "../x"),
        ('[candidate]\npaths = ["/etc/passwd"]', "candidate.paths", "/etc/passwd"),
        ('[candidate]\nentry = "other.py"', "candidate", "other.py"),
        ("candidate = 3", "candidate", "3"),
    ],
)
def test_an_impossible_value_names_file_key_and_what_was_found(
    text: str, key: str, found: str
) -> None:
    message = refusal(text)
    assert f"bot.toml: {key}" in message
    assert found in message


def test_what_is_allowed_is_said() -> None:
    assert "'lower' or 'higher'" in refusal('[metric]\ndirection = "up"')


def test_every_problem_is_named_at_once() -> None:
    message = refusal('[budget]\ncpu_s = "x"\n[metric]\ndirection = "up"\n')
    assert len(message.splitlines()) == 2


def test_broken_toml_names_the_line() -> None:
    assert "line 2" in refusal("[budget]\ncpu_s = = 3\n")


def test_bytes_that_are_no_text_name_the_line() -> None:
    with pytest.raises(SettingsError, match="line 2: is not UTF-8"):
        parse(b"# fine\n\xff\n", "bot.toml")


@pytest.mark.parametrize(
    "path",
    [
        "bot.toml",
        "BOT.toml",
        "program.md",
        "scratchpad.md",
        "Scratchpad.MD",
        "runner/task/score.py",
        "Runner/task/score.py",
        "bot/decide.py",
        ".gitattributes",
        "src/.gitattributes",
        ".github/workflows/x.yml",
        ".gitmodules",
        ".git/config",
        "src/.GIT/config",
    ],
)
def test_an_experiment_may_not_change_what_the_bot_needs(path: str) -> None:
    assert path in refusal(f'[candidate]\npaths = ["train.py", "{path}"]')


@pytest.mark.parametrize("need", ["scratchpad.md", "notes", "docs", "Docs", "."])
def test_what_is_measured_does_not_change_with_every_verdict(need: str) -> None:
    kind = '[task]\nkind = "reported"\n[metric]\npattern = "x: (.*)"\n'
    own = '[report]\nsvg = "docs/progress.svg"\n'
    own += '[scratchpad]\npath = "notes/pad.md"\n' if need == "notes" else ""
    assert "at every verdict" in refusal(f'{kind}{own}[candidate]\nneeds = ["{need}"]')
    assert parse(f'{kind}{own}[candidate]\nneeds = ["doc"]'.encode()).candidate.needs == ["doc"]


@pytest.mark.parametrize("path", ["src/train.py", "tests/x.py", "robot/bot.py", "docs/bot.toml"])
def test_a_project_keeps_its_own_folders(path: str) -> None:
    assert path in parse(f'[candidate]\npaths = ["train.py", "{path}"]'.encode()).candidate.paths


@pytest.mark.parametrize("paths", [["src", "src/a.py"], ["src/A/b.py", "SRC/a"]])
def test_a_listed_file_cannot_be_the_folder_of_another(paths: list[str]) -> None:
    assert "cannot be a file and the folder" in refusal(
        f"[candidate]\npaths = {['train.py', *paths]}"
    )


@pytest.mark.parametrize("path", ["bot/decide.py", ".gitignore", "program.md", ".git/config"])
def test_the_scratchpad_overwrites_nothing_that_has_a_meaning(path: str) -> None:
    assert "scratchpad.path" in refusal(f'[scratchpad]\npath = "{path}"')


def test_a_missing_file_says_where_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"there is no bot\.toml here"):
        load(tmp_path)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_break_it(data: bytes) -> None:
    try:
        parse(data)
    except SettingsError as error:
        assert str(error).startswith("bot.toml")


toml_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


@given(table=st.sampled_from([*Settings.model_fields, "other"]), value=toml_values)
def test_arbitrary_tables_never_break_it(table: str, value: object) -> None:
    import tomlkit

    try:
        text = tomlkit.dumps({table: value})
    except (TypeError, ValueError):
        return  # not every value can be written as TOML
    try:
        parse(text.encode())
    except SettingsError as error:
        assert "bot.toml" in str(error)
