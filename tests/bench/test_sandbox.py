from __future__ import annotations

import json

import pytest

from bench import sandbox


def test_every_backend_has_its_figures_or_the_reason_why_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert sandbox.main(["--repetitions", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    names = {one["backend"] for one in told["backends"]} | set(told["not_measured"])
    assert names == {"bubblewrap", "docker"}
    (found,) = (one for one in told["backends"] if one["backend"] == "bubblewrap")
    assert found["identity"].startswith("bubblewrap ")
    assert found["work_over_bare"] > -1
