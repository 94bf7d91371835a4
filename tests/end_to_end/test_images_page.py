"""The images page in a real browser, with previews out of the local S3."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.end_to_end.conftest import PHOTOS, Demo

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
)

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM.exists() and DRIVER.exists()), reason="Chromium is not installed here"),
]


@pytest.fixture
def chromium() -> Iterator[webdriver.Chrome]:
    """Return a headless browser with an empty profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory() as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
        try:
            yield driver
        finally:
            driver.quit()


def test_images_page_shows_every_photo_with_a_preview_that_loads(
    demo: Demo, chromium: webdriver.Chrome
) -> None:
    """The printed address signs in; every verdict has its picture, and the page's own rules block nothing."""
    chromium.get(demo.sign_in_url)
    wait = WebDriverWait(chromium, 20)
    wait.until(lambda browser: browser.current_url.endswith("/images"))
    wait.until(
        lambda browser: browser.execute_script(
            "return [...document.querySelectorAll('.frame img')].every(it => it.complete)"
        )
    )

    cards = chromium.find_elements(By.CSS_SELECTOR, "article.card")
    badges = [card.find_element(By.CLASS_NAME, "badge").text for card in cards]
    widths = chromium.execute_script(
        "return [...document.querySelectorAll('.frame img')].map(it => it.naturalWidth)"
    )
    assert len(cards) == PHOTOS
    assert {"Accepted", "Rejected"} <= set(badges)
    assert widths
    assert all(widths)
    complaints = chromium.get_log("browser")  # type: ignore[no-untyped-call]  # selenium gives it no types
    assert [each["message"] for each in complaints if each["level"] == "SEVERE"] == []


def test_images_page_filters_when_a_verdict_is_clicked(demo: Demo, chromium: webdriver.Chrome) -> None:
    """A click on a verdict shows its images only."""
    chromium.get(demo.sign_in_url)
    wait = WebDriverWait(chromium, 20)
    wait.until(lambda browser: browser.current_url.endswith("/images"))

    chromium.find_element(By.CSS_SELECTOR, ".chip.accepted").click()
    wait.until(lambda browser: browser.current_url.endswith("show=accepted"))

    badges = {each.text for each in chromium.find_elements(By.CLASS_NAME, "badge")}
    assert badges == {"Accepted"}
