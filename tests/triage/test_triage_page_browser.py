"""The HTML page in a real browser: Debian's chromium, by its chromium-driver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from story_kit import DEADLOCK, LOCKED_ENTRY, LOST_WAKEUP, proved, story

from daxfuzz.triage.formats.page import as_html
from daxfuzz.triage.formats.page.page import shown_state
from daxfuzz.triage.trace import relevant

pytestmark = pytest.mark.external


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    # Root has no sandbox, and a container little shared memory.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1500,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


class Reader:
    """Somebody who reads a page."""

    def __init__(self, browser: Chrome, path: Path, text: str) -> None:
        self.browser = browser
        path.write_text(text)
        self.url = path.as_uri()
        self.open()

    def open(self, at: str = "") -> None:
        self.browser.get("about:blank")
        self.browser.get(self.url + at)

    def press(self, *keys: str) -> None:
        ActionChains(self.browser).send_keys(*keys).perform()

    def find(self, css: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, css)

    def run(self, script: str) -> Any:
        return self.browser.execute_script(f"return {script}")

    def turn(self) -> int:
        """The step that is shown, which the lanes, the panel and the address agree on."""
        marked = [int(each.get_attribute("data-turn") or "") for each in self.all(".step.now")]
        assert len(marked) == 1
        assert self.find("#where").text.startswith(f"step {marked[0]} of ")
        return marked[0]

    def state(self) -> dict[str, str]:
        """The values that the panel shows, with what was there before struck out."""
        script = "[...document.querySelectorAll('#state tr')].map((row) => [row.dataset.name, row.cells[1].innerText])"
        return dict(self.run(script))

    def fresh(self) -> set[str]:
        """The values that are marked as changed."""
        return set(self.run("[...document.querySelectorAll('#state tr.fresh')].map((row) => row.dataset.name)"))

    def box(self, css: str) -> dict[str, float]:
        """Where an element stands."""
        return dict(self.run(f"document.querySelector({css!r}).getBoundingClientRect().toJSON()"))


@pytest.fixture
def reader(browser: Chrome, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Reader]:
    name = getattr(request, "param", LOST_WAKEUP)
    yield Reader(browser, tmp_path / "page.html", as_html(story(name)))
    assert browser.get_log("browser") == []
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_every_step_shows_the_state_after_it(reader: Reader) -> None:
    told = story(LOST_WAKEUP)
    shown = shown_state(told)
    state: dict[str, str | None] = {name: value for name, value in told.trace.state.items() if name in shown}
    for step in told.trace.steps:
        assert reader.turn() == step.turn
        changed = {name: value for name, value in step.state.items() if name in shown}
        before, state = state, state | changed
        expected = {name: value for name, value in state.items() if value is not None and name not in changed}
        for name, value in changed.items():
            old = before.get(name)
            expected[name] = (f"{old} \N{RIGHTWARDS ARROW} " if old is not None else "") + (value or "gone")
        assert reader.state() == expected
        assert reader.fresh() == set(changed)
        reader.press(Keys.ARROW_RIGHT)
    assert reader.turn() == len(told.trace.steps) - 1


def test_keys(reader: Reader) -> None:
    trace = story(LOST_WAKEUP).trace
    switches = [step.turn for step in trace.steps[1:] if step.task != trace.steps[step.turn - 1].task]
    for key, turn in (
        (Keys.ARROW_LEFT, 0),
        (Keys.ARROW_RIGHT, 1),
        (Keys.ARROW_DOWN, 2),
        (Keys.ARROW_UP, 1),
        ("]", switches[0]),
        ("]", switches[1]),
        ("]", switches[1]),
        ("[", switches[0]),
        (Keys.END, len(trace.steps) - 1),
        (Keys.HOME, 0),
    ):
        reader.press(key)
        assert reader.turn() == turn, key
    reader.find('[data-turn="60"] .cell').click()
    assert reader.turn() == 60
    for button, turn in (("on", 61), ("back", 60), ("last", len(trace.steps) - 1), ("first", 0)):
        reader.find(f'[data-go="{button}"]').click()
        assert reader.turn() == turn


def test_only_what_other_tasks_notice(reader: Reader) -> None:
    trace = story(LOST_WAKEUP).trace
    named = {turn for each in story(LOST_WAKEUP).constraints for turn in (each.before, each.after)}
    loud = sorted({*relevant(trace), *(turn for turn in named if turn is not None)})
    reader.press("s")
    numbers = "[...document.querySelectorAll('.step .no')].filter((each) => each.offsetHeight)"
    assert reader.run(f"{numbers}.map((each) => Number(each.innerText))") == loud
    for turn in loud:
        assert reader.turn() == turn
        reader.press(Keys.ARROW_RIGHT)
    reader.press("s")
    assert reader.find("[data-turn='1'] .no").is_displayed()


def test_an_address_leads_to_a_step(reader: Reader) -> None:
    reader.open("#step-74")
    assert reader.turn() == 74
    reader.press(Keys.ARROW_RIGHT)
    assert reader.browser.current_url.endswith("#step-75")
    box = reader.box("#step-75")
    assert 0 < box["top"] < box["bottom"] < reader.run("innerHeight")
    assert "sleeps on var_waitqueue[0] for page0" in reader.find('[data-task="truncator"]').text
    assert "ext4_wait_dax_page" in reader.find('[data-task="truncator"]').text


def test_constraints_are_marked_and_fulfilled(reader: Reader) -> None:
    (each,) = story(LOST_WAKEUP).constraints
    reader.open(f"#step-{(each.before or 0) - 1}")
    item = reader.find('[data-constraint="1"]')
    assert (item.get_attribute("class"), item.find_element(By.CSS_SELECTOR, ".kept").text) == ("", "")
    reader.press(Keys.ARROW_RIGHT)
    assert set((item.get_attribute("class") or "").split()) == {"due", "done"}
    assert reader.find("#now .why").text == "constraint 1"
    reader.press(Keys.END)
    assert item.get_attribute("class") == "done"
    marked = [int(found.get_attribute("data-turn") or "") for found in reader.all(".step.marked")]
    assert marked == [each.before, each.after]


def test_the_source_of_a_step(reader: Reader) -> None:
    step = story(LOST_WAKEUP).trace.steps[73]
    reader.open("#step-73")
    place = step.stack[-1]
    link = reader.find("#source a")
    assert link.text == f"{place.file}:{place.line}"
    assert (link.get_attribute("href") or "").endswith(f"/{place.file}#L{place.line}")
    here = reader.find("#source pre .here")
    assert here.text.startswith(str(place.line))
    assert "refcount.read()" in here.text
    frame, code = reader.box("#source pre"), reader.box("#source pre .here")
    assert frame["top"] <= code["top"] < code["bottom"] <= frame["bottom"]
    functions = [button.text for button in reader.all("#source .stack button")]
    assert functions == [each.function for each in step.stack]
    reader.all("#source .stack button")[0].click()
    assert reader.find("#source a").text == f"{step.stack[0].file}:{step.stack[0].line}"
    assert reader.turn() == 73


@pytest.mark.parametrize("reader", [LOCKED_ENTRY], indirect=True)
def test_lanes_stand_where_the_steps_are(reader: Reader) -> None:
    told = story(LOCKED_ENTRY)
    wake = next(step for step in told.trace.steps if step.woken)
    arrow = reader.box(".arrow.wakes")
    row, cell = reader.box(f"#step-{wake.turn}"), reader.box(f"[data-turn='{wake.turn}'] .cell")
    asleep, run = reader.box(".grid .asleep"), reader.box(".grid .run")
    assert row["top"] < arrow["top"] <= row["bottom"]
    assert abs(run["left"] - arrow["left"]) < 15
    assert abs(asleep["right"] - arrow["right"]) < 15
    assert arrow["left"] < cell["left"] < cell["right"] <= asleep["left"]
    assert abs(asleep["bottom"] - row["bottom"]) < 5
    for bar in reader.all(".grid .hold"):
        assert bar.rect["width"] > 4
        assert bar.rect["height"] > 10
    # Nothing is wider than its column.
    texts = "[...document.querySelectorAll('.cell, .changes')]"
    assert reader.run(f"{texts}.every((each) => each.scrollWidth <= each.clientWidth)")


@pytest.mark.parametrize("reader", [DEADLOCK], indirect=True)
def test_light_dark_paper_and_small(reader: Reader) -> None:
    def emulate(media: str, scheme: str) -> tuple[str, str]:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        reader.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
        style = "getComputedStyle(document.body)"
        return reader.run(f"{style}.backgroundColor"), reader.run(f"{style}.color")

    reader.open("#step-34")
    panel = "document.querySelector('.panel')"
    assert reader.run(f"{panel}.scrollWidth <= {panel}.clientWidth")
    white, black = "rgb(255, 255, 255)", "rgb(0, 0, 0)"
    light, dark = emulate("", "light"), emulate("", "dark")
    assert light[0] == white
    assert brightness(dark[0]) < 60 < 180 < brightness(dark[1])
    assert brightness(light[1]) < 60
    # Paper is white, whatever the screen is.
    assert emulate("print", "dark") == (white, black)
    assert not reader.find(".nav").is_displayed()
    assert not reader.find("#source").is_displayed()
    assert reader.box(".panel")["top"] >= reader.box(".chart")["bottom"]
    emulate("", "light")
    reader.browser.set_window_size(700, 900)
    assert reader.run("document.documentElement.scrollWidth <= innerWidth")
    assert reader.find(".panel").is_displayed()
    reader.browser.set_window_size(1500, 1000)


def brightness(color: str) -> float:
    """Of rgb(r, g, b), from 0 to 255."""
    return sum(map(int, color.removeprefix("rgb(").removesuffix(")").split(","))) / 3


def test_the_proof(browser: Chrome, tmp_path: Path) -> None:
    told = proved(DEADLOCK)
    reader = Reader(browser, tmp_path / "page.html", as_html(told))
    assert "all 214 interleavings that satisfy it fail (99 states)" in reader.find(".reasons").text
    assert [each.text for each in reader.all(".without")] == ["Without it, this one passes: pinner*2 truncator*1"]
    assert browser.get_log("browser") == []
