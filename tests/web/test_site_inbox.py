"""A person signs in, reads a study, simulates and decides, in a real browser."""

from collections.abc import Iterator
from typing import Any

import pytest

from site_node.governance import approvals
from site_node.governance.approvals import State
from tests.lib.browser import chromium
from tests.lib.site_pages import SitePages, site_with_pages


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SitePages]:
    with site_with_pages(tmp_path_factory.mktemp("pages") / "oslo") as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


def test_an_approver_signs_in_reads_simulates_and_approves(site: SitePages, browser: Any) -> None:
    study = site.propose()
    with site.signed_in(browser, "approver") as one:
        assert one.heading() == "Overview"
        one.page.get_by_role("link", name="Mean age").click()
        assert one.heading() == "Mean age"
        for words in ("Dr. Ingrid Dahl", "Test University", "the first of a diagnosis ICD10CM:C71%"):
            assert words in one.text()
        one.press("Simulate here")
        assert "40" in one.page.locator("tr", has_text="index event").inner_text()
        assert "40" in one.page.locator("tr", has_text="age at the index date").inner_text()
        assert "at most" in one.page.locator("#before ~ *").first.inner_text()
        one.fill(days="30", runs="2", note="seen by the board")
        one.press("Approve")
        assert "The study was approved, and its people were sealed." in one.text()
        assert one.wrongs == []
    verdict, _ = approvals.verdicts(site.home, study.hash())
    assert verdict is not None
    assert (verdict.state, verdict.by, verdict.max_runs) == (State.APPROVED, "approver", 2)
    assert (verdict.expires_at - verdict.decided_at).days == 30


FOCUSED = """() => {
    const one = document.activeElement, seen = getComputedStyle(one), place = one.getBoundingClientRect();
    const labels = [...(one.labels || [])].map(label => label.innerText.trim().split("\\n")[0]);
    return {
        name: labels[0] || one.innerText.trim(),
        isMarked: seen.outlineStyle !== "none" && parseFloat(seen.outlineWidth) >= 2 && place.height > 0,
    };
}"""


@pytest.mark.slow
def test_an_approver_decides_with_the_keyboard_alone(site: SitePages, browser: Any) -> None:
    study = site.propose(name="by-keys", title="Ages, by the keyboard")
    with site.signed_in(browser, "approver") as one:
        one.open(f"/studies/{study.hash()}")
        one.page.keyboard.press("Tab")
        assert one.page.evaluate(FOCUSED)["name"] == "To the content"
        one.page.keyboard.press("Enter")
        walked = []
        while "Approve" not in walked:
            one.page.keyboard.press("Tab")
            found = one.page.evaluate(FOCUSED)
            assert found["isMarked"], (found, walked)
            assert found["name"], walked
            assert len(walked) < 60, walked
            walked.append(found["name"])
        assert {"Simulate here", "Days", "Runs"} <= set(walked)
        with one.page.expect_navigation():
            one.page.keyboard.press("Space")
        assert "The study was approved" in one.text()
        assert one.wrongs == []
    assert approvals.verdicts(site.home, study.hash())[0] is not None
