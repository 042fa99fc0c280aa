from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from runner.errors import DataError
from runner.result import Status
from runner.sandbox.base import Mount
from runner.session import Session
from runner.visible import ART_PACKAGES, visible
from tests.runner.candidates import candidate
from tests.runner.conftest import Measure


def test_the_packages_that_the_pictures_come_from_cannot_be_imported(measure: Measure) -> None:
    program = f"""
    import importlib
    for name in {ART_PACKAGES!r}:
        try:
            found = importlib.import_module(name)
        except ImportError:
            continue
        assert not hasattr(found, '__version__') and found.__file__ is None, name
    """
    assert Path(sys.executable).name.startswith("python")  # the tests' own has all of them
    (result,) = measure((candidate(train=program), 0))
    assert result.status is Status.OK, result


def test_data_inside_what_candidates_see_is_refused(session: Session, tmp_path: Path) -> None:
    data = replace(session.data, folder=tmp_path / "lib" / "cache")
    with pytest.raises(DataError, match="MERGELAB_CACHE"):
        visible([Mount(tmp_path / "lib", "/lib")], data)
