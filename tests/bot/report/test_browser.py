"""The report in a real Chromium."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect

from bench import histories
from bot.errors import BotError
from bot.report.build import content_of
from bot.report.lookout import Lookout
from bot.report.page import render
from bot.report.serve import Pages, make_server
from tests.bot.lab import Lab, git, make_repository
from tests.bot.report.conftest import make_place
from tests.bot.report.test_page import PAYLOADS
from tests.browser import DRAWN, Visit, visit

pytestmark = [pytest.mark.slow, pytest.mark.browser]

_POINTS = "#main path[aria-roledescription='point']"


@pytest.fixture(scope="module")
def report(programme: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(render(content_of(make_place(programme))))
    return file.as_uri()


@pytest.fixture
def opened(report: str, tmp_path: Path) -> Iterator[Visit]:
    with visit(report, tmp_path / "profile") as visited:
        yield visited


def test_the_charts_are_drawn_without_a_word_or_a_request(opened: Visit, report: str) -> None:
    assert opened.said == []
    assert [address for address in opened.requests if not address.startswith("data:")] == [report]
    assert opened.page.locator(_POINTS).count() > 100
    for chart in ("gains", "hours", "cost"):
        assert opened.page.locator(f"#{chart} svg path").count() > 3
    assert opened.page.locator("#rows tr").count() == 50
    assert opened.page.locator("#count").inner_text() == "120 of 120 experiments"


def test_hovering_a_point_tells_its_hypothesis_and_numbers(opened: Visit) -> None:
    opened.page.locator(_POINTS).nth(20).hover(force=True)
    tooltip = opened.page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    text = tooltip.inner_text()
    assert "Change constant" in text
    assert "mean_rank" in text
    assert "difference" in text


def test_clicking_a_point_shows_the_experiment(opened: Visit) -> None:
    opened.page.locator(_POINTS).nth(20).click(force=True)
    dialog = opened.page.locator("#detail[open]")
    dialog.wait_for()
    assert "Change constant" in dialog.locator("h2").inner_text()
    opened.page.keyboard.press("Escape")
    assert opened.page.locator("#detail[open]").count() == 0


def test_filters_are_for_table_and_chart(opened: Visit) -> None:
    page = opened.page
    before = page.locator(_POINTS).count()
    page.get_by_role("checkbox", name="closed: no gain shown").uncheck()
    page.wait_for_function(
        f'document.querySelectorAll("{_POINTS}").length < {before // 2}', timeout=30_000
    )
    assert "worse" not in page.locator("#rows").inner_text()
    latest = page.locator("#rows tr").first.inner_text().split()[0]
    assert latest.startswith("#1") and len(latest) == 4, "a number that is part of no other"
    page.get_by_role("searchbox").fill(latest)
    expect(page.locator("#rows tr")).to_have_count(1, timeout=60_000)
    page.get_by_role("searchbox").fill("no such words")
    expect(page.locator("#count")).to_have_text("0 of 120 experiments", timeout=60_000)
    assert opened.said == []
    page.get_by_role("searchbox").fill("")
    page.get_by_role("combobox").select_option("tune")
    shown = page.locator("#rows tr").all_inner_texts()
    assert shown
    assert all("tune" in row for row in shown)


def test_the_table_sorts_by_keyboard(opened: Visit) -> None:
    page = opened.page
    header = page.locator("#headers th").filter(has_text="mean_rank")
    header.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    texts = page.locator("#rows tr td:nth-child(4)").all_inner_texts()
    values = [float(text) for text in texts if text]
    assert len(values) > 20
    assert values == sorted(values)


@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("dark", [False, True])
def test_everybody_can_read_it(report: str, tmp_path: Path, width: int, dark: bool) -> None:
    with visit(report, tmp_path / "profile", width=width, dark=dark) as visited:
        assert not visited.wide()
        assert visited.faults() == []
        visited.page.locator("#rows button").first.click()
        assert visited.faults() == []
        ground = visited.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(22, 22, 22)" if dark else "rgb(255, 255, 255)")
        assert visited.said == []


def test_words_of_strangers_do_nothing(tmp_path: Path) -> None:
    folder = make_repository(tmp_path / "project")
    histories.write(folder, 12, title=" ".join(PAYLOADS))
    file = tmp_path / "report.html"
    file.write_text(render(content_of(make_place(folder))))
    with visit(file.as_uri(), tmp_path / "profile") as visited:
        page = visited.page
        page.locator(_POINTS).first.hover(force=True)
        page.locator("#vg-tooltip-element.visible").wait_for()
        assert "<img src=x" in page.locator("#vg-tooltip-element").inner_text()
        page.locator("#rows button").first.click()
        assert "<img src=x" in page.locator("#detail-title").inner_text()
        assert page.locator("#vg-tooltip-element img, #detail img, #rows img").count() == 0
        assert page.title() == "project: experiments"
        assert visited.said == []
        assert all(address.startswith(("file:", "data:")) for address in visited.requests)


def test_the_policy_would_stop_a_script_that_got_in(opened: Visit) -> None:
    opened.page.evaluate(
        """() => {
          document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.owned = 1'>");
          const script = document.createElement("script");
          script.textContent = "window.owned = 1";
          document.body.append(script);
        }"""
    )
    end = time.monotonic() + 60
    while not any("Content Security Policy" in text for text in opened.said):
        assert time.monotonic() < end, opened.said
        opened.page.wait_for_timeout(200)
    assert opened.page.evaluate("window.owned") is None


def test_clicking_shows_the_diff(tmp_path: Path) -> None:
    lab = Lab.build(tmp_path / "project")
    lab.experiment({"train.py": "# <i>shorter</i>\nRATE = 3.0\n"}, "Less code")
    lab.until_idle()
    file = tmp_path / "report.html"
    file.write_text(render(content_of(lab.place)))
    with visit(file.as_uri(), tmp_path / "profile") as visited:
        visited.page.get_by_role("button", name="Less code").click()
        diff = visited.page.locator("#detail-diff")
        assert "+# <i>shorter</i>" in diff.inner_text()
        assert "-RATE = 1.0\n" in diff.locator(".removed").all_inner_texts()
        assert visited.said == []


def test_a_programme_without_experiments_opens_as_well(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(render(content_of(Lab.build(tmp_path / "project").place)))
    with visit(file.as_uri(), tmp_path / "profile") as visited:
        assert "No experiment is finished yet" in visited.page.locator("#main").inner_html()
        assert visited.said == []


@contextmanager
def watched(lab: Lab, profile: Path, lookout: Lookout | None = None) -> Iterator[Visit]:
    with make_server(lab.place, 0, lookout) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = server.address
            with visit(address, profile) as visited:
                yield visited
                assert visited.said == []
                assert all(one.startswith((address, "data:")) for one in visited.requests)
        finally:
            server.shutdown()
            thread.join()
    assert git(lab.folder, "status", "--porcelain") == ""


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab.build(tmp_path / "project")
    made.experiment({"train.py": "RATE = 3.0\n"}, "First")
    made.until_idle()
    return made


def another(lab: Lab) -> None:
    lab.experiment({"train.py": "RATE = 6.0\n"}, "Second")
    lab.until_idle()


def test_a_watched_page_shows_what_happens_and_stands_as_it_stood(lab: Lab, tmp_path: Path) -> None:
    with watched(lab, tmp_path / "profile") as visited:
        page = visited.page
        assert page.locator("#rows tr").count() == 1
        page.get_by_role("checkbox", name="merged").uncheck()
        page.get_by_role("searchbox").fill("e")
        header = page.locator("#headers th").filter(has_text="hypothesis")
        header.get_by_role("button").click()
        page.evaluate("scrollTo(0, 200)")
        another(lab)
        page.get_by_role("button", name="Second").wait_for(timeout=120_000)
        page.wait_for_selector(DRAWN, state="attached")
        assert page.get_by_role("searchbox").input_value() == "e"
        assert not page.get_by_role("checkbox", name="merged").is_checked()
        assert page.locator("#count").inner_text() == "1 of 2 experiments"
        assert header.get_attribute("aria-sort") == "ascending"
        page.wait_for_function("document.activeElement.closest('[data-key=title]')")
        page.wait_for_function("scrollY === 200")


def test_a_watched_page_outlives_a_page_that_could_not_be_made(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Pages) -> bytes:
        raise BotError("git was interrupted")

    with watched(lab, tmp_path / "profile") as visited:
        page = visited.page
        with monkeypatch.context() as broken:
            broken.setattr(Pages, "page", fails)
            with page.expect_response(lambda answer: answer.status == 503, timeout=60_000):
                another(lab)
            page.wait_for_timeout(300)
            assert page.get_by_role("button", name="First").count() == 1
        page.get_by_role("button", name="Second").wait_for(timeout=120_000)
        assert all("503" in words for words in visited.said)  # the browser's own
        visited.said.clear()


def test_a_watched_page_waits_while_somebody_reads_an_experiment(lab: Lab, tmp_path: Path) -> None:
    with watched(lab, tmp_path / "profile") as visited:
        page = visited.page
        page.get_by_role("button", name="First").click()
        another(lab)
        with page.expect_response("**/version"):
            pass
        page.wait_for_timeout(300)
        assert page.locator("#detail[open]").count() == 1
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Second").wait_for(timeout=120_000)
        # The experiment that was opened has the focus again.
        page.wait_for_function("document.activeElement.textContent === 'First'")


def test_a_watched_page_says_when_it_was_last_looked_elsewhere(lab: Lab, tmp_path: Path) -> None:
    answers: list[str | BotError] = ["one", BotError("No access."), "two"]
    looks = iter(answers)

    def look() -> str:
        found = next(looks)
        if isinstance(found, BotError):
            raise found
        return found

    lookout = Lookout("GitHub", look, lambda _: None, clock=lambda: 8 * 3600.0)
    lookout.once()
    with watched(lab, tmp_path / "profile", lookout) as visited:
        said = visited.page.locator("#looked")
        expect(said).to_have_text("GitHub was last looked at 08:00:00 UTC.", timeout=60_000)
        lookout.once()
        expect(said).to_contain_text("GitHub: No access. Looking again at", timeout=60_000)
        before = visited.page.evaluate("document.getElementById('data').textContent")
        lookout.once()
        made_anew = "before => document.getElementById('data').textContent !== before"
        visited.page.wait_for_function(made_anew, arg=before, timeout=60_000)
        expect(said).to_have_text("GitHub was last looked at 08:00:00 UTC.", timeout=60_000)
