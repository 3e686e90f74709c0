"""A seizure is looked at afterwards, in a real browser: its EEG, its file and the report of the night."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import edfio
import pytest

from detector.sinks.clips_place import clips_in
from tests.live import amplifier, program, until
from tests.page.browser import THEMES, Served, chromium, screen_of, shoot
from tests.page.review.beds import BED, HOSTILE, write

SOURCE = "reviewed-amp"
AMPLIFIER = f"""
from detector.source.lsl_simulator import simulate
from detector.source.synthetic import SyntheticConfig, SyntheticEeg
eeg = SyntheticEeg(SyntheticConfig(400, seizures=((16, 40),)))
simulate(eeg, name="amp", source_id={SOURCE!r}, stop=lambda: False, wait_for_consumer_s=60)
"""
# How many pixels of a canvas are drawn, and how many of its columns are of the colour of what marks an event.
DRAWN = """canvas => {
  const { width, height } = canvas, { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
  const mark = getComputedStyle(document.documentElement).getPropertyValue('--seizure').trim();
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(mark.slice(at, at + 2), 16));
  const columns = new Array(width).fill(0);
  let drawn = 0;
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3]) drawn += 1;
    const isMark = data[at + 3] === 255 && data[at] === r && data[at + 1] === g && data[at + 2] === b;
    if (isMark) columns[at / 4 % width] += 1;
  }
  return { drawn, marked: columns.filter((one) => one > 0.9 * height).length };
}"""
PICTURE = "canvas => canvas.toDataURL()"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[Served]:
    """A page, and a bed of this machine whose amplifier has had a seizure."""
    folder = tmp_path_factory.mktemp("reviewed")
    states, config = folder / "seizure-detector", folder / "bed.toml"
    config.write_text(f'[bed]\nname = "{BED}"\n[source]\nsource_id = "{SOURCE}"\n')
    served = Served(folder, f'[review]\nfolder = "{states}"\n')
    run = program("run", "--config", str(config), log=folder / "bed.log", XDG_STATE_HOME=str(folder))
    with amplifier(AMPLIFIER), run:
        until(lambda: clips_in(states / "clips" / BED), 200, "a seizure, its end, and its clip")
        yield served
    served.end()


@pytest.fixture
def screen(browser: Any, served: Served) -> Iterator[Any]:
    with screen_of(browser, f"{served.url}#/bed/{BED}") as screen:
        yield screen


def shown(screen: Any) -> Any:
    """Open the EEG of the seizure; return its panel."""
    screen.get_by_role("button", name=re.compile("Show EEG of the event at")).first.click()
    return opened(screen)


def opened(screen: Any) -> Any:
    panel = screen.get_by_role("region", name="Recorded EEG of an event")
    panel.get_by_text(re.compile("on this page: onset")).wait_for()
    return panel


def test_a_seizure_is_clicked_and_its_eeg_is_shown_as_something_of_before(screen: Any, served: Served) -> None:
    row = screen.get_by_role("row").filter(has=screen.get_by_role("button", name=re.compile("Show EEG")))
    row.wait_for()
    assert row.count() == 1
    assert row.get_by_role("cell").nth(1).inner_text().startswith("seizure"), "the marker and the event are one"
    panel = shown(screen)
    assert panel.get_by_role("heading", level=3).inner_text().endswith("recorded EEG, not live")
    assert panel.get_by_text("Recorded, not live").is_visible()
    panel.locator("li").last.scroll_into_view_if_needed()
    in_sight = "one => one.getBoundingClientRect().top >= 0 && one.getBoundingClientRect().bottom < innerHeight"
    assert screen.locator(".alarm.seizure").first.evaluate(in_sight), "alarms are, however far one reads on"
    canvas = panel.locator("canvas").first
    assert canvas.get_attribute("data-marks") == "onset declared"
    assert re.match(r"Recorded EEG, \d\d:\d\d:\d\d to .*; onset at .*; declared at", canvas.get_attribute("aria-label"))
    drawn = canvas.evaluate(DRAWN)
    assert drawn["drawn"] > 20_000
    assert drawn["marked"] >= 2, "the lines of onset and declaration"
    assert panel.locator("canvas").last.evaluate(DRAWN)["drawn"] > 1000, "its probability"
    panel.get_by_role("button", name="10 s on").click()
    screen.locator("canvas[data-marks='']").wait_for()
    assert canvas.evaluate(DRAWN)["marked"] == 0
    before = canvas.evaluate(PICTURE)
    panel.get_by_label("µV/mm").select_option("30")
    wide = canvas.evaluate(PICTURE)
    assert wide != before, "the reader sets how it is drawn"
    screen.click("#theme")
    until(lambda: canvas.evaluate(PICTURE) != wide, 5, "it is drawn in the colours of the other theme")


def test_the_clip_is_downloaded_under_its_name(screen: Any, tmp_path: Path) -> None:
    panel = shown(screen)
    with screen.expect_download() as coming:
        panel.get_by_role("link", name="Download EDF+").click()
    coming.value.save_as(tmp_path / "clip.edf")
    assert re.fullmatch(rf"{BED}_\d{{8}}T\d{{6}}Z_\w+_1\.edf", coming.value.suggested_filename)
    edf = edfio.read_edf(tmp_path / "clip.edf")
    assert {"detected onset", "declared", "detected offset"} <= {one.text for one in edf.annotations}


def test_it_is_used_by_the_keyboard_alone(screen: Any) -> None:
    button = screen.get_by_role("button", name=re.compile("Show EEG of the event at"))
    button.wait_for()
    for _ in range(60):
        screen.keyboard.press("Tab")
        if (screen.locator(":focus").get_attribute("aria-label") or "").startswith("Show EEG"):
            break
    screen.keyboard.press("Enter")
    panel = opened(screen)
    assert screen.evaluate("document.activeElement.tagName") == "H3"
    status = panel.get_by_role("status")
    first = status.inner_text()
    for key, shown_then in (
        ("ArrowRight", re.compile(r"^(?!.*onset)")),
        ("ArrowLeft", re.compile(re.escape(first))),
        ("End", re.compile(r"^(?!.*onset)")),
        ("Home", re.compile(r", 0 of \d+ s")),
    ):
        screen.keyboard.press(key)
        status.filter(has_text=shown_then).wait_for()
    screen.keyboard.press("Escape")
    panel.wait_for(state="hidden")
    assert screen.locator(":focus").get_attribute("aria-label").startswith("Show EEG"), "back where it was"


def test_it_is_said_to_have_been_no_seizure(screen: Any, served: Served) -> None:
    panel = shown(screen)
    panel.get_by_role("button", name="False alarm").click()
    screen.locator("#ask-text").fill("Joy")
    screen.keyboard.press("Enter")
    panel.get_by_text("Written down: a false alarm.").wait_for()
    screen.get_by_role("cell", name=re.compile("label false-alarm for")).wait_for()


@pytest.mark.parametrize("theme", THEMES)
def test_everybody_can_read_it(screen: Any, theme: str) -> None:
    if screen.evaluate("document.documentElement.dataset.theme") != theme:
        screen.click("#theme")
    shown(screen)
    shoot(screen, "clip", theme)


def test_it_fits_a_phone(browser: Any, served: Served) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740})
    screen = context.new_page()
    screen.goto(f"{served.url}#/bed/{BED}")
    shown(screen)
    assert screen.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()


def test_the_report_of_the_night_is_made_and_opened(screen: Any) -> None:
    screen.get_by_role("button", name="Morning report of the last 24 h").click()
    link = screen.get_by_role("link", name=re.compile(r"Open the report of \d\d:\d\d"))
    link.wait_for(timeout=130_000)
    with screen.expect_popup() as coming:
        link.click()
    report = coming.value
    report.get_by_role("heading", name=re.compile(f"Bed {BED}")).wait_for()
    assert report.get_by_role("heading", name=re.compile(r"Seizures \(1\)")).count() == 1
    styled = "getComputedStyle(document.querySelector('table')).borderCollapse"
    assert report.evaluate(styled) == "collapse", "its own style is let through"
    images = report.locator("img")
    assert images.count() >= 2
    assert all(images.nth(i).evaluate("one => one.naturalWidth") > 100 for i in range(images.count()))
    assert report.evaluate("self.origin") == "null", "it is no page of ours"


def test_what_a_clip_says_is_text_and_no_markup(screen: Any, served: Served) -> None:
    write(served.folder / "seizure-detector" / "clips" / BED, "evil", onset_utc_s=float(int(time.time()) - 3000))
    screen.reload()
    screen.get_by_role("button", name=re.compile("Show EEG")).nth(1).wait_for()
    screen.get_by_role("button", name=re.compile("Show EEG")).last.click()
    panel = opened(screen)
    panel.get_by_role("listitem").filter(has_text=HOSTILE).wait_for()
    assert screen.evaluate("window.hacked") is None


def test_a_clip_that_cannot_be_shown_says_why(screen: Any, served: Served) -> None:
    path = write(served.folder / "seizure-detector" / "clips" / BED, "half", onset_utc_s=float(int(time.time()) - 6000))
    path.write_bytes(path.read_bytes()[:200_000])
    screen.reload()
    screen.get_by_role("button", name=re.compile("Show EEG")).nth(1).wait_for()
    screen.get_by_role("button", name=re.compile("Show EEG")).last.click()
    panel = screen.get_by_role("region", name="Recorded EEG of an event")
    panel.get_by_text(re.compile(r"This clip cannot be shown: \S+ is truncated")).wait_for()
    assert not panel.locator("canvas").first.is_visible()


def test_an_event_whose_clip_is_not_kept_any_more_says_so(screen: Any, served: Served) -> None:
    for name, path in clips_in(served.folder / "seizure-detector" / "clips" / BED):
        if len(name.event_id) > 10:  # the bed's own
            path.unlink()
    screen.reload()
    screen.get_by_role("cell").filter(has_text="No EEG to show: its clip is not kept any more").wait_for()
