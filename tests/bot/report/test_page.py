from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bench import histories
from bot.report.build import content_of, diffs, history_of
from bot.report.page import Content, Figure, render
from tests.bot.lab import Lab, make_repository
from tests.bot.report.conftest import make_place

PAYLOADS = [
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=document.title='owned'>",
    "{{ 9973 * 9967 }} {% raw %} ${9973*9967} `x`",
    "<!--<script>",
    "javascript:alert(1)//\u2028'\"",
]


class Reader(HTMLParser):
    """Collects elements, attributes and the text of scripts as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and self.cdata_elem == "script":
            self.scripts[-1] += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a programme whose every hypothesis is an attack."""
    folder = make_repository(tmp_path_factory.mktemp("hostile") / "<b>project</b>")
    histories.write(folder, 12, title=" ".join(PAYLOADS))
    return render(content_of(make_place(folder)))


def test_words_of_strangers_make_no_element(hostile: str) -> None:
    seen = read(hostile)
    assert [tag for tag, _ in seen.elements].count("script") == 3
    assert not any(tag in {"img", "b", "iframe", "object", "form2"} for tag, _ in seen.elements)
    assert not any(key.startswith("on") for _, found in seen.elements for key in found)
    assert "99400891" not in hostile.partition("<main>")[0]


def test_the_data_are_what_they_were(hostile: str) -> None:
    data = json.loads(read(hostile).scripts[0])
    assert data["experiments"][0]["title"].startswith(PAYLOADS[0])
    assert "<" not in read(hostile).scripts[0]


def test_the_policy_allows_these_scripts_and_no_connection(hostile: str) -> None:
    seen = read(hostile)
    policy = next(
        found["content"] or ""
        for tag, found in seen.elements
        if tag == "meta" and found.get("http-equiv") == "Content-Security-Policy"
    )
    for script in seen.scripts[1:]:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]


def test_nothing_in_the_page_is_loaded_from_elsewhere(hostile: str) -> None:
    for tag, found in read(hostile).elements:
        for key in ("src", "href", "action", "data", "srcset"):
            assert (found.get(key) or "data:").startswith("data:"), (tag, found)


def test_only_a_served_page_may_ask_its_server(programme: Path) -> None:
    content = Content("p", "a", history_of(make_place(programme)), [Figure("a", "b")])
    assert "connect-src &#39;self&#39;" in render(content, version="1")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab.build(tmp_path / "project")


def test_diffs_are_those_of_the_allowed_files(lab: Lab) -> None:
    lab.experiment({"train.py": "# <b>\nRATE = 3.0\n"}, "Less code")
    lab.until_idle()
    place = lab.place
    entries = lab.view().entries
    found = diffs(place.repository, entries, place.settings.candidate.paths)
    assert list(found) == [1]
    assert "+# <b>\n" in found[1]
    assert re.search(r"^-RATE = 1.0$", found[1], re.M)


def test_a_clone_without_the_pull_requests_has_a_report_without_their_diffs(
    lab: Lab, tmp_path: Path
) -> None:
    lab.experiment({"train.py": "RATE = 9.0\n"}, "Worse")
    lab.until_idle()
    entries = lab.view().entries
    shutil.rmtree(lab.folder / ".git" / "objects" / entries[0].head[:2])
    place = lab.place
    assert diffs(place.repository, entries, place.settings.candidate.paths) == {}


def test_before_anything_was_done_there_is_a_page_as_well(lab: Lab) -> None:
    page = render(content_of(lab.place))
    assert list(json.loads(read(page).scripts[0])["charts"]) == ["main"]


def test_proposers_are_compared_where_there_are_several(programme: Path, lab: Lab) -> None:
    content = content_of(make_place(programme))
    assert content.proposers is not None
    assert content.proposers.headers[0] == "proposer"
    entries = history_of(make_place(programme)).experiments
    told = {name: experiments for name, experiments, *_ in content.proposers.rows}
    assert told == {
        name: str(sum(row["proposer"] == name for row in entries)) for name in ("search", "claude")
    }
    shown = render(content).partition("<h2>Proposers</h2>")[2].partition("</table>")[0]
    for row in content.proposers.rows:
        assert "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" in shown
    lab.experiment({"train.py": "RATE = 9.0\n"}, "Worse")
    lab.until_idle()
    alone = content_of(lab.place)
    assert alone.proposers is None and "<h2>Proposers</h2>" not in render(alone)


def test_the_figures_are_those_of_the_status(programme: Path) -> None:
    content = content_of(make_place(programme))
    told: dict[str, Any] = {figure.name: figure for figure in content.figures}
    assert told["experiments"].value == "120"
    assert told["false merges"].value.startswith("≤ 0.")
    assert told["busy"].value.endswith("%")
    assert told["confirmed gain"].note.startswith("of +")
