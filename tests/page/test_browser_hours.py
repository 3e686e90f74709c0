"""Hours of EEG in a real browser: what is drawn is what was kept, holes are holes, and it can be read at any size."""

from __future__ import annotations

import math
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from detector.page.bed import BIN_S
from detector.page.spectrum import N_BANDS, EegBin, Hemisphere
from tests.client.lsl_publisher import publisher
from tests.live import until
from tests.page.browser import THEMES, Served, chromium, screen_of, shoot


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("page"))
    yield served
    served.end()


@pytest.fixture
def screen(browser: Any, served: Served) -> Iterator[Any]:
    with screen_of(browser, served.url) as screen:
        yield screen


HOURS_S = 6 * 3600


def keep_hours(served: Served, bed: str, end_s: int) -> None:
    """Write six hours of a bed into the page's file: an hour's hole, then a seizure of two minutes on the left."""
    bands = 10 - 0.9 * np.arange(N_BANDS, dtype=np.float32)
    rows, trends = [], []
    for bin_s in range(end_s - HOURS_S, end_s, BIN_S):
        ago_s = end_s - bin_s
        is_hole, is_seizure = 3 * 3600 < ago_s <= 4 * 3600, 1800 < ago_s <= 1920
        wobble = 2 * math.sin(bin_s / 300)
        left = Hemisphere(bands + wobble + 35 * is_seizure, 7.0 + 20 * is_seizure, 22.0 + wobble + 90 * is_seizure)
        right = Hemisphere(bands + wobble, 8.0, 20.0 + wobble) if not 600 < ago_s <= 1200 else None
        if not is_hole:
            rows.append((bed, bin_s, 95, EegBin(bin_s, 95, left, right).pack()))
        probability = 0.97 if is_seizure else 0.06 + 0.05 * math.sin(bin_s / 777)
        trends.append((bed, bin_s, probability, 0.0, 2 if is_seizure else 1, 22))
    with closing(sqlite3.connect(served.folder / "page.sqlite", timeout=10)) as connection:
        connection.executemany("INSERT OR REPLACE INTO eeg_bin VALUES (?, ?, ?, ?)", rows)
        connection.executemany("INSERT OR REPLACE INTO trend VALUES (?, ?, ?, ?, ?, ?)", trends)
        connection.execute("INSERT OR REPLACE INTO threshold VALUES (?, ?, 0.8, 0.4)", (bed, end_s - HOURS_S))
        connection.commit()


def dot(screen: Any, canvas: int, ago_s: float, height_px: float, hours: int = 6) -> list[int]:
    """Return the colour of a canvas so long ago, at so many pixels from its top."""
    found: list[int] = screen.evaluate(
        """([number, ago, y, span]) => {
          const canvas = document.querySelectorAll("section[aria-label='Trend'] canvas")[number];
          const x = 46 + (canvas.clientWidth - 46) * (1 - ago / span);
          return [...canvas.getContext("2d").getImageData(x * devicePixelRatio, y * devicePixelRatio, 1, 1).data];
        }""",
        [canvas, ago_s, height_px, hours * 3600],
    )
    return found


def test_hours_of_eeg_are_drawn_with_their_holes_and_survive_the_page(screen: Any, served: Served) -> None:
    end_s = int(time.time()) // BIN_S * BIN_S
    keep_hours(served, "hours-a", end_s)
    with publisher("hours-a"):
        screen.goto(f"{served.url}#/bed/hours-a")
        for _ in range(2):  # and with another process of the page
            screen.locator(".head .state strong").filter(has_text="No seizure").wait_for()
            screen.locator("section[aria-label=Trend] select").select_option("6")
            screen.get_by_role(
                "img", name="Compressed spectrogram of hours-a, left and right hemisphere, in the last 6 h"
            ).wait_for()
            shift_s = time.time() - end_s
            # 10 Hz lies in the middle of a strip of 84 pixels, and has -7 dB there: dark; 28 dB in the seizure: green.
            quiet, loud = dot(screen, 1, 5 * 3600 + shift_s, 18 + 42), dot(screen, 1, 1860 + shift_s, 18 + 42)
            assert quiet[2] > 1.5 * quiet[1]
            assert quiet[3] == 255
            assert loud[1] > 1.5 * loud[2]
            other = dot(screen, 1, 1860 + shift_s, 18 + 84 + 24 + 42)
            assert other[2] > 1.5 * other[1], "the right hemisphere has no seizure"
            # 15 µV, between the margins, is 1.18 of 2.48 decades high, and 60 µV, above them, 1.78.
            assert (
                dot(screen, 2, 5 * 3600 + shift_s, 18 + 94 * (1 - 1.18 / 2.48))[:3]
                == dot(screen, 2, 2 * 3600, 18 + 94 * (1 - 1.18 / 2.48))[:3]
                != [0, 0, 0]
            )
            assert dot(screen, 2, 5 * 3600 + shift_s, 18 + 94 * (1 - 1.78 / 2.48))[3] == 0
            for canvas, y in ((1, 18 + 42), (2, 18 + 94 * (1 - 1.18 / 2.48))):
                for ago_s, n in ((5 * 3600, 8), (3.5 * 3600, 0)):
                    dots = [dot(screen, canvas, ago_s + shift_s + 18 * k, y) for k in range(8)]
                    assert (sum(one[3] == 255 for one in dots) == 8) == (n == 8), "only the hole is hatched"
                    assert (sum(one[3] == 0 for one in dots) >= 4) == (n == 0)
            told = screen.locator("section[aria-label='Trend']")
            why = told.filter(has_text=re.compile("No EEG is read now: .*the newest is of"))
            why.wait_for(timeout=45_000)  # it is asked for every half minute
            served.end()
            served.begin()


def test_thresholds_are_drawn_where_they_are_told_and_changed_while_one_looks(screen: Any, served: Served) -> None:
    with publisher("hours-b") as process:
        screen.goto(f"{served.url}#/bed/hours-b")
        screen.get_by_text("Thresholds: not told now").wait_for()
        for onset, offset in ((0.8, 0.4), (0.9, 0.3)):
            text = f"a seizure begins at {onset:.0%} (dashed) and ends below {offset:.0%} (dotted)".replace("%", " %")
            settings = f"dict(onset_threshold={onset}, offset_threshold={offset}, smoothing_s=2.0)"
            until(
                lambda: process.tell(f"outlets.tell_settings({settings})") and screen.get_by_text(text).is_visible(),  # noqa: B023 - called at once
                15,
                "they are shown",
            )


@pytest.mark.parametrize(("size", "width", "height"), [("desktop", 1280, 2100), ("phone", 360, 3000)])
@pytest.mark.parametrize("theme", THEMES)
def test_hours_can_be_read_at_any_size(
    screen: Any, served: Served, theme: str, size: str, width: int, height: int
) -> None:
    screen.set_viewport_size({"width": width, "height": height})
    if screen.evaluate("document.documentElement.dataset.theme") != theme:
        screen.click("#theme")  # before anything is drawn
    keep_hours(served, "hours-c", int(time.time()) // BIN_S * BIN_S)
    with publisher("hours-c") as process:
        screen.goto(f"{served.url}#/bed/hours-c")
        settings = "dict(onset_threshold=0.8, offset_threshold=0.4, smoothing_s=2.0)"
        until(
            lambda: (
                process.tell(f"outlets.tell_settings({settings})")
                and screen.get_by_text("a seizure begins at 80 %").is_visible()
            ),
            15,
            "its thresholds are shown",
        )
        screen.locator("section[aria-label=Trend] select").select_option("6")
        screen.get_by_role("img", name="in the last 6 h").first.wait_for()
        shoot(screen, f"hours-{size}", theme)
        assert screen.evaluate("document.documentElement.scrollWidth") <= width
