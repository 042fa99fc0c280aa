from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from runner.digests import candidate_digest, harness_digest, shaping
from runner.settings import RunnerSettings

FILES = st.dictionaries(st.text(min_size=1, max_size=5), st.binary(max_size=8), max_size=3)


@given(FILES, FILES)
def test_only_equal_files_have_equal_digests(
    one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    assert (candidate_digest(one) == candidate_digest(other)) == (one == other)


def test_bytes_do_not_wander_between_names_and_contents() -> None:
    assert candidate_digest({"a": b"bc"}) != candidate_digest({"ab": b"c"})
    assert candidate_digest({"a": b"", "b": b""}) != candidate_digest({"a": b"b"})


def test_the_order_of_files_does_not_matter() -> None:
    assert candidate_digest({"a": b"1", "b": b"2"}) == candidate_digest({"b": b"2", "a": b"1"})


def test_settings_are_part_of_the_harness() -> None:
    assert harness_digest({"grace_s": 1}) != harness_digest({"grace_s": 2})
    assert harness_digest({"a": 1, "b": 2}) == harness_digest({"b": 2, "a": 1})


def test_a_default_and_the_same_value_written_down_are_one_harness() -> None:
    default = RunnerSettings()
    written = RunnerSettings.model_validate(
        {"budget": {"grace_s": 5, "predict_s": 30.0}, "sandbox": {"memory_gb": 8}}
    )
    assert harness_digest(shaping(written)) == harness_digest(shaping(default))


def test_digests_come_without_heavy_imports() -> None:
    program = "import runner.digests, sys; print({'pydantic', 'numpy', 'click'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"set()"
