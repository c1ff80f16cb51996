"""The report in a real browser: Debian's chromium, by its chromium-driver."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from campaign_kit import EASY, LOUD, campaign
from selenium import webdriver
from selenium.webdriver.common.by import By

from daxfuzz.campaign.conductor import Limits
from daxfuzz.campaign.directory import Directory
from daxfuzz.campaign.report import as_html

pytestmark = pytest.mark.external


@pytest.fixture(scope="module")
def driver(tmp_path_factory) -> Iterator[Any]:
    path: Path = tmp_path_factory.mktemp("report") / "c"
    campaign(path, replace(LOUD, canary=EASY, executions=200), limits=Limits(finish_triage=True))
    page = path / "report.html"
    page.write_text(as_html(Directory(path)))
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for each in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(each)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        browser.get(page.as_uri())
        yield browser
    finally:
        browser.quit()


def test_the_browser_has_nothing_to_complain_about(driver) -> None:
    assert driver.get_log("browser") == []
    requests = driver.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert requests == []


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_the_page_fits(driver, width: int) -> None:
    driver.set_window_size(width, 900)
    inner = driver.execute_script("return window.innerWidth")
    assert driver.execute_script("return document.documentElement.scrollWidth") <= inner


def test_the_verdict_and_the_figures_are_seen_without_scrolling(driver) -> None:
    driver.set_window_size(1280, 800)
    for selector in ("#verdict", ".figures", "#findings table"):
        box = driver.find_element(By.CSS_SELECTOR, selector).rect
        assert box["height"] > 0
        assert box["y"] < 800


def test_every_curve_is_drawn(driver) -> None:
    pictures = driver.find_elements(By.CSS_SELECTOR, "figure svg")
    assert len(pictures) == 4
    for picture in pictures:
        assert picture.rect["width"] > 200
        assert picture.rect["height"] > 100


def test_a_finding_opens(driver) -> None:
    driver.set_window_size(1280, 800)
    driver.find_element(By.CSS_SELECTOR, "#findings a").click()
    section = driver.find_element(By.CSS_SELECTOR, "#finding-1")
    assert "daxfuzz repro" in section.find_element(By.CSS_SELECTOR, ".replay").text
    table = section.find_element(By.CSS_SELECTOR, "pre.table")
    if not table.is_displayed():
        section.find_element(By.CSS_SELECTOR, "summary").click()
    assert table.is_displayed()
    assert "page0" in table.text
