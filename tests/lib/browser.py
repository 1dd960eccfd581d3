"""A real Chromium at the pages of an application: what it sees, and what the page did wrong."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

WIDE, NARROW = 1280, 390
SLOW_MS = 20_000


@dataclass
class Browser:
    """One person's browser.

    Attributes:
        page: Playwright's page.
        wrongs: errors in the console, what the content security policy blocked, files that were not there.
    """

    page: Any
    address: str
    wrongs: list[str] = field(default_factory=list)

    def console(self, kind: str, text: str) -> None:
        """Notes an error; that a page was refused is no fault of the page."""
        if kind == "error" and not text.startswith("Failed to load resource"):
            self.wrongs.append(text)

    def loaded(self, reply: Any) -> None:
        """Notes a file that could not be loaded."""
        if reply.status >= 400 and reply.request.resource_type != "document":
            self.wrongs.append(f"{reply.status}: {reply.url}")

    def open(self, path: str) -> None:
        """Goes to a page."""
        self.page.goto(self.address + path)

    def fill(self, **fields: str) -> None:
        """Fills in fields by their names."""
        for name, value in fields.items():
            self.page.fill(f"[name={name}]:visible", value)

    def press(self, words: str) -> None:
        """Presses the button of these words, and waits for the page that follows."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=words, exact=True).first.click()

    def heading(self) -> str:
        """The page's heading."""
        return str(self.page.inner_text("h1"))

    def text(self) -> str:
        """All that the page's main part shows."""
        return str(self.page.inner_text("main"))

    def faults_of_access(self) -> list[str]:
        """What axe finds against WCAG 2.2 A and AA: rule and place."""
        from axe_playwright_python.sync_playwright import Axe

        wanted = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
        found = Axe().run(self.page, options=wanted).response["violations"]
        return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]

    def is_for_everybody(self, path: str) -> None:
        """Fails unless the open page, which is this path's, has no fault of access and no line too wide at
        either width, nor a fault in the dark."""
        for width in (NARROW, WIDE):
            self.page.set_viewport_size({"width": width, "height": 800})
            assert self.faults_of_access() == [], (path, width)
            wide = self.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{path} is wider than {width}"
        # a colour on its way from the one to the other is of neither
        self.page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        assert self.faults_of_access() == [], f"{path} in the dark"
        self.page.emulate_media(color_scheme="light")

    def picture(self, file: Path, width: int) -> None:
        """The whole page as PNG."""
        self.page.set_viewport_size({"width": width, "height": 800 if width == WIDE else 844})
        self.page.screenshot(path=str(file), full_page=True)
        self.page.set_viewport_size({"width": WIDE, "height": 800})


@contextmanager
def chromium() -> Iterator[Any]:
    """Playwright's browser; the test is skipped where there is none."""
    reason = "Playwright is not installed: pip install 'shadowgraph[dev]'"
    api = pytest.importorskip("playwright.sync_api", reason=reason)
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with api.sync_playwright() as playwright:
        # in a container there is no sandbox for root, and /dev/shm may be small
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, address: str, *, scripts: bool = True, language: str = "en-GB") -> Iterator[Browser]:
    """A browser without history at this address.

    Args:
        scripts: whether it runs JavaScript.
    """
    context = browser.new_context(
        java_script_enabled=scripts, locale=language, viewport={"width": WIDE, "height": 800}
    )
    context.set_default_timeout(SLOW_MS)
    found = Browser(context.new_page(), address)
    found.page.on("console", lambda told: found.console(told.type, told.text))
    found.page.on("pageerror", lambda error: found.wrongs.append(str(error)))
    found.page.on("response", lambda reply: found.loaded(reply))
    yield found
    context.close()
