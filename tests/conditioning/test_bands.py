"""Features are the logarithm of band power in µV², absolute and relative to the derivation's own past."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detector.conditioning.bands import Bands, BandsConfig
from detector.conditioning.rhythm import Rhythm, RhythmConfig
from detector.messages import BoolArray, FloatArray, Frame
from tests.signals import noise

BANDS_HZ = ((1.0, 4.0), (4.0, 8.0), (8.0, 13.0))
CONFIG = BandsConfig(256.0, 512, 256, n_derivations=2, bands_hz=BANDS_HZ, baseline_s=60.0)
GOOD = np.ones(2, dtype=bool)


def frames(samples: FloatArray, good: BoolArray = GOOD) -> list[Frame]:
    starts = range(0, len(samples) - 511, 256)
    return [Frame(samples[i : i + 512], good, (i + 511) / 256) for i in starts]


def run(made: list[Frame]) -> FloatArray:
    """Return (n_frames, n_derivations, per_derivation)."""
    return np.stack([f.values for f in Bands(CONFIG).process(made)]).reshape(len(made), 2, -1)


def sine(hz: float, uv: float, seconds: float = 4.0) -> FloatArray:
    wave = uv * np.sin(2 * np.pi * hz * np.arange(int(seconds * 256)) / 256)
    return np.column_stack([wave, wave]).astype(np.float32)


@pytest.mark.parametrize(("hz", "band"), [(2.0, 0), (6.0, 1), (10.0, 2)])
def test_a_sine_has_the_power_of_its_mean_square_in_its_band(hz: float, band: int) -> None:
    absolute = run(frames(sine(hz, 100)))[:, :, :3]
    np.testing.assert_allclose(absolute[:, :, band], np.log10(100**2 / 2), atol=0.01)
    assert (np.delete(absolute, band, axis=2) < 1).all()


def test_the_power_of_all_bands_is_the_variance() -> None:
    config = BandsConfig(256.0, 512, 256, 22, ((0.5, 128.0),), 60.0)
    white = np.random.default_rng(0).normal(0, 30, (512 * 50, 22)).astype(np.float32)
    made = [Frame(white[i : i + 512], np.ones(22, dtype=bool), 0.0) for i in range(0, len(white), 512)]
    values = np.stack([f.values for f in Bands(config).process(made)]).reshape(50, 22, 3)
    assert np.mean(10 ** values[:, :, 0]) == pytest.approx(900, rel=0.02)


def test_a_constant_does_not_count() -> None:
    np.testing.assert_allclose(run(frames(sine(6, 50) + 300)), run(frames(sine(6, 50))), atol=1e-3)


def test_a_constant_does_not_count_in_a_band_that_begins_at_half_a_hertz_either() -> None:
    config = replace(CONFIG, bands_hz=((0.5, 4.0),))
    made, shifted = (np.stack([f.values for f in Bands(config).process(frames(sine(3, 50) + k))]) for k in (0, 300))
    np.testing.assert_allclose(shifted, made, atol=1e-3)


def test_relative_power_is_zero_on_a_steady_signal_and_the_rise_after_it() -> None:
    steady, loud = frames(sine(6, 30, 30)), frames(sine(6, 300, 4))
    values = run(steady + loud)
    np.testing.assert_allclose(values[: len(steady), :, 4], 0, atol=1e-3)
    assert values[len(steady), 0, 4] == pytest.approx(2 * (1 - 1 / (len(steady) + 1)), abs=0.01)


def test_the_baseline_follows_with_its_time_constant() -> None:
    bands = Bands(CONFIG)
    bands.process(frames(sine(6, 30, 62)))
    after = np.stack([f.values for f in bands.process(frames(sine(6, 300, 61)))]).reshape(-1, 2, 7)[:, 0, 4]
    assert after[-1] == pytest.approx(2 * np.exp(-1), abs=0.05)


def test_a_bad_derivation_is_all_zero_and_does_not_move_its_baseline() -> None:
    bands = Bands(CONFIG)
    quiet, loud = frames(sine(6, 30, 10)), frames(sine(6, 3000, 10), np.array([False, True]))
    bands.process(quiet)
    during = np.stack([f.values for f in bands.process(loud)]).reshape(-1, 2, 7)
    assert (during[:, 0] == 0).all()
    assert (during[:, 1, 6] == 1).all()
    after = bands.process(quiet)[0].values.reshape(2, 7)
    assert after[0, 4] == pytest.approx(0, abs=1e-3)
    assert after[1, 4] < -1


def test_the_baseline_of_a_derivation_begins_with_its_first_good_frame() -> None:
    bad, good = frames(sine(6, 30, 10), np.array([True, False])), frames(sine(6, 30, 4))
    values = run(bad + good)
    np.testing.assert_allclose(values[len(bad) :, :, 3:6], 0, atol=1e-3)


@pytest.mark.parametrize("value", [0.0, 1e-42, 1e6])
def test_features_of_absurd_frames_are_finite(value: float) -> None:
    assert np.isfinite(run(frames(np.full((1024, 2), value, dtype=np.float32)))).all()


def test_frames_in_one_call_or_many_give_the_same() -> None:
    made = frames(noise(256 * 40, 2))
    bands = Bands(CONFIG)
    single = np.stack([f.values for frame in made for f in bands.process([frame])])
    np.testing.assert_allclose(single.reshape(len(made), 2, -1), run(made), atol=1e-5)


def test_good_time_and_missing_go_through() -> None:
    good = np.array([True, False])
    (out,) = Bands(CONFIG).process([Frame(noise(512, 2), good, 7.5, missing=2)])
    assert (out.good is good, out.end_s, out.missing) == (True, 7.5, 2)
    assert Bands(CONFIG).process([]) == []
    assert len(out.values) == CONFIG.n_features


def test_the_rhythm_comes_between_the_powers_and_the_flag() -> None:
    rhythm = RhythmConfig((1.0, 12.0), (1.5, 10.0))
    config = replace(CONFIG, rhythm=rhythm)
    assert config.per_derivation == CONFIG.per_derivation + 1
    made = frames(noise(256 * 20, 2) + sine(4, 30, 20), np.array([True, False]))
    found = np.stack([f.values for f in Bands(config).process(made)]).reshape(len(made), 2, -1)
    np.testing.assert_allclose(np.delete(found, 6, axis=2), run(made), atol=1e-6)
    alone = Rhythm(rhythm, 256.0, 512).strengths([frame.samples for frame in made])
    assert (alone > 0.05).all()
    np.testing.assert_allclose(found[:, 0, 6], alone[:, 0], atol=1e-3)
    assert (found[:, 1, 6] == 0).all()


def test_powers_of_the_newest_samples_are_those_of_shorter_frames() -> None:
    made = frames(noise(256 * 20, 2))
    newest = [replace(frame, samples=frame.samples[-256:]) for frame in made]
    found = [f.values for f in Bands(replace(CONFIG, power_samples=256)).process(made)]
    expected = [f.values for f in Bands(replace(CONFIG, frame_samples=256)).process(newest)]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_counted_from_the_level_the_gain_is_no_matter() -> None:
    config = replace(CONFIG, from_level=True)

    def values(gain: float) -> FloatArray:
        made = frames(gain * (noise(256 * 20, 2) + sine(6, 30, 20)))
        return np.stack([f.values for f in Bands(config).process(made)]).reshape(len(made), 2, -1)

    np.testing.assert_allclose(values(0.5), values(1.0), atol=1e-3)
    plain = run(frames(noise(256 * 20, 2) + sine(6, 30, 20)))
    # One frame is its own baseline, so the first level is the mean of its powers.
    np.testing.assert_allclose(values(1.0)[0, :, :3], plain[0, :, :3] - plain[0, :, :3].mean(), atol=1e-4)
    np.testing.assert_allclose(values(1.0)[:, :, 3:], plain[:, :, 3:], atol=1e-6)


def test_a_bad_derivation_does_not_move_the_level() -> None:
    loud = np.column_stack([sine(6, 30, 10)[:, 0], sine(6, 900, 10)[:, 0]])
    config = replace(CONFIG, from_level=True)
    one = Bands(config).process(frames(loud, np.array([True, False])))
    both = Bands(config).process(frames(sine(6, 30, 10), np.array([True, False])))
    np.testing.assert_allclose([f.values for f in one], [f.values for f in both], atol=1e-5)
