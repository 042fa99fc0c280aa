"""A real browser for tests: the system's Chromium, driven by Playwright, with everything noted.

Where MERGELAB_REQUIRE_BROWSER is 1, tests that need it fail without one. Elsewhere they are left
out, with a line that says so.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
REQUIRED = os.environ.get("MERGELAB_REQUIRE_BROWSER") == "1"
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DRAWN = "html[data-drawn]"
"""Is there when a report has drawn its charts."""


@dataclass
class Visit:
    """A page and everything that it said or asked for."""

    page: Page
    said: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def faults(self) -> list[dict[str, Any]]:
        """What axe-core finds in the page that is serious or critical."""
        axe = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text()
        self.page.evaluate(axe)
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            {"rule": one["id"], "where": [node["html"] for node in one["nodes"][:3]]}
            for one in found["violations"]
            if one["impact"] in {"serious", "critical"}
        ]

    def wide(self) -> bool:
        """Whether the page is wider than its window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))


@contextmanager
def visit(
    address: str, profile: Path, *, width: int = 1200, height: int = 900, dark: bool = False
) -> Iterator[Visit]:
    """A page opened in a browser of its own, with an empty profile; its charts are drawn."""
    assert CHROMIUM, "chromium is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=CHROMIUM,
            args=_FLAGS,
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
        )
        try:
            page = context.pages[0] if context.pages else context.new_page()
            visited = Visit(page)
            page.on("console", lambda message: visited.said.append(message.text))
            page.on("pageerror", lambda error: visited.said.append(str(error)))
            page.on("request", lambda request: visited.requests.append(request.url))
            page.goto(address)
            page.wait_for_selector(DRAWN, state="attached", timeout=120_000)
            yield visited
        finally:
            context.close()
