"""The EEG that a screen gets is that of the bed's own source, as derivations, to a tenth of a microvolt."""

from __future__ import annotations

import base64
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.client.lsl import About
from detector.conditioning.montage import MONTAGES
from detector.errors import DetectorError
from detector.messages import Chunk
from detector.page.bed import BIN_S, BedBook
from detector.page.eeg_block import NO_SAMPLE, STEP_UV
from detector.page.lsl_eeg import EegFeed, _Maker
from detector.page.spectrum import EegBin
from tests.live import amplifier, until
from tests.signals import cut, describe, noise, whole

MONTAGE = "chb-mit-22"
NAMES = MONTAGES[MONTAGE]


def numbers(block: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.frombuffer(base64.b64decode(block["samples"]), "<i2").reshape(block["n"], len(NAMES))


def shown(maker: _Maker, chunk: Chunk) -> list[dict[str, Any]]:
    return maker.blocks(maker.derive(chunk)[0], 0.0)


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_a_screen_gets_each_sample_of_each_derivation_whatever_the_chunks(size: int) -> None:
    samples = noise(1000)
    maker = _Maker(MONTAGE, describe(NAMES))
    sent = [block for chunk in cut(whole(samples), size) for block in shown(maker, chunk)]
    got = np.concatenate([numbers(block) for block in sent]) * STEP_UV
    np.testing.assert_allclose(got, samples, atol=STEP_UV / 2 + 1e-4)
    assert maker.rate_hz == 256


def test_a_fast_stream_is_thinned_behind_a_mean() -> None:
    samples = noise(2048)
    maker = _Maker(MONTAGE, describe(NAMES, 2048.0))
    got = np.concatenate(
        [numbers(block) for chunk in cut(whole(samples, 2048.0), 100) for block in shown(maker, chunk)]
    )
    assert maker.rate_hz == pytest.approx(2048 / 7)
    expected = samples[: 2048 // 7 * 7].reshape(-1, 7, 22).mean(axis=1)
    np.testing.assert_allclose(got * STEP_UV, expected, atol=STEP_UV / 2 + 1e-3)


def test_what_is_no_number_is_no_sample_and_what_is_too_large_is_at_the_edge() -> None:
    samples = noise(10)
    samples[3, 0], samples[4, 0], samples[5, 0] = np.nan, np.inf, -1e9
    [block] = shown(_Maker(MONTAGE, describe(NAMES)), whole(samples))
    got = numbers(block)
    assert (got[3, 0], got[4, 0], got[5, 0]) == (NO_SAMPLE, NO_SAMPLE, NO_SAMPLE + 1)


def test_a_bad_channel_comes_with_the_reason_and_a_missing_one_is_named() -> None:
    samples = noise(1024)
    samples[:, 2] = 0.0
    maker = _Maker(MONTAGE, describe(NAMES[:-1]))
    sent = [block for chunk in cut(whole(samples[:, :-1]), 64) for block in shown(maker, chunk)]
    assert maker.missing == [NAMES[-1]]
    assert sent[-1]["faults"] == {NAMES[2]: "flat", NAMES[-1]: "missing"}
    assert (numbers(sent[-1])[:, -1] == NO_SAMPLE).all()


@pytest.mark.parametrize(
    ("about", "said"),
    [
        (None, "is not there to say"),
        (About("h", "m", "my-montage", 22, "amp", "amp-1", "1"), "'my-montage' is not known here"),
        (About("h", "m", MONTAGE, 22, "", "", "1"), "by a predicate"),
    ],
)
def test_a_bed_that_does_not_say_what_it_watches_is_refused_with_the_reason(about: About | None, said: str) -> None:
    book = BedBook("bed1")
    book.about = about
    with pytest.raises(DetectorError, match=said):
        EegFeed(book)


def test_a_sample_that_is_held_is_in_the_trends_and_no_hole_of_them() -> None:
    samples = noise(30 * 256)
    samples[::1500] = np.nan
    maker = _Maker(MONTAGE, describe(NAMES))
    bins = [one for chunk in cut(whole(samples), 256) for one in maker.bins(maker.derive(chunk)[1], 1000.0)]
    assert len(bins) >= 2
    assert all(one.left is not None and np.isfinite(one.left.power_db).all() for one in bins[1:])


def test_what_was_not_shown_is_not_joined_to_what_is() -> None:
    maker = _Maker(MONTAGE, describe(NAMES, 2048.0))
    one, other = noise(3, seed=1), noise(7, seed=2)
    assert shown(maker, whole(one, 2048.0)) == []
    maker.derive(whole(noise(64, seed=3), 2048.0, 3 / 2048))
    [block] = shown(maker, whole(other, 2048.0, 67 / 2048))
    np.testing.assert_allclose(numbers(block)[0] * STEP_UV, other.mean(axis=0), atol=STEP_UV)


AMPLIFIER = (
    "from detector.source.lsl_simulator import simulate\n"
    "from detector.source.synthetic import SyntheticConfig, SyntheticEeg\n"
    "simulate(SyntheticEeg(SyntheticConfig(600, 256.0)), name='amp', source_id='{}', stop=lambda: False)\n"
)


def test_it_is_read_for_trends_though_nobody_looks_and_at_once_for_who_does() -> None:
    book, bins = BedBook("bed1"), list[EegBin]()
    book.about = About("h", "m", MONTAGE, 22, "amp", "eeg-trend", "1")
    with amplifier(AMPLIFIER.format("eeg-trend")):
        feed = EegFeed(book, bins.append)
        until(lambda: bins, 40, "a bin is over")
        assert abs(bins[0].bin_s + 1.5 * BIN_S - time.time()) < BIN_S
        blocks = feed.join()
        until(lambda: sum("samples" in block for block in blocks) >= 5, 3, "a screen gets EEG at once")
        assert not feed.leave(blocks)
        assert not feed.ended
        until(lambda: time.time() > bins[0].bin_s + 1.9 * BIN_S, 12, "most of the next bin is there")
        feed.end()
        until(lambda: feed.ended, 5, "nothing is read any more")
    assert [one.bin_s - bins[0].bin_s for one in bins] == [0, BIN_S], "what is known of the one that had begun is kept"


def test_it_is_read_over_lsl_while_somebody_looks_and_no_longer(tmp_path: Path) -> None:
    book = BedBook("bed1")
    book.about = About("h", "m", MONTAGE, 22, "amp", "eeg-feed", "1")
    with amplifier(AMPLIFIER.format("eeg-feed")):
        feed = EegFeed(book)
        one, other = feed.join(), feed.join()
        until(lambda: sum("samples" in block for block in one) >= 5, 20, "EEG comes")
        assert {"opened": True, "rate_hz": 256.0, "missing": []} in one
        newest = [block for block in one if "samples" in block][-1]
        assert abs(newest["end_s"] - time.time()) < 5
        late = feed.join()
        assert late[0] == {"opened": True, "rate_hz": 256.0, "missing": []}, "who comes later knows what it needs"
        assert not feed.leave(late)
        other.extend(other[-1] for _ in range(50))  # a screen that fetches nothing
        until(lambda: {"gap": "screen too slow"} in other, 10, "it is told that it has lost some")
        assert other[0] == {"opened": True, "rate_hz": 256.0, "missing": []}
        assert feed.is_of(book)
        book.about = replace(book.about, source_id="another")
        assert not feed.is_of(book)
        assert not feed.leave(one)
        other.clear()
        n = len(other)
        until(lambda: len(other) > n, 10, "the other screen still gets EEG")
        assert feed.leave(other)
        until(lambda: feed.ended, 5, "nothing is read any more")
