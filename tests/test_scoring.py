"""A recording is scored by the same pipeline as a live bed, whatever the size of the chunks."""

from __future__ import annotations

import csv
import errno
import io
import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from detector.errors import BadDataError, DetectorError
from detector.messages import Chunk, Features, Gap, Outcome, Probability, Reset, State
from detector.network.bundle import Bundle
from detector.scoring import COLUMNS, Scored, events_tsv, score, steps_csv, write_whole
from detector.source.recording import open_recording
from detector.source.synthetic import SyntheticConfig, SyntheticEeg
from tests.bundles import tiny_bundle
from tests.synthetic_edf import RATE_HZ, rows, write_edf

# Keras, when it saves the bundle that is tested with.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

ONSET_S, END_S, LENGTH_S = 20.0, 40.0, 60  # the bundle of the tests says seizure in the last third of a seizure
STEP_S, FRAME_S, WARM_UP_S = 1.0, 2.0, 10.0


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return tiny_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    write_edf(folder / "seizure.edf", LENGTH_S, (ONSET_S, END_S), start=datetime(2021, 3, 4, 5, 6, 7))
    write_edf(folder / "quiet.edf", 60)
    write_edf(folder / "ongoing.edf", 40, (ONSET_S, END_S))
    return folder


def scored(path: Path, bundle: Bundle, chunk_samples: int = 4096) -> Scored:
    from detector.network.keras_lstm import KerasLstm

    return score(open_recording(path), bundle, KerasLstm(bundle), chunk_samples=chunk_samples)


def test_a_seizure_is_one_row_at_the_right_time(folder: Path, bundle: Bundle) -> None:
    path = folder / "seizure.edf"
    result = scored(path, bundle)
    text = events_tsv(result, open_recording(path))
    assert text.splitlines()[0] == "onset\tduration\teventType\tconfidence\tchannels\tdateTime\trecordingDuration"
    assert tuple(text.splitlines()[0].split("\t")) == COLUMNS
    before, row, after = rows(text)
    onset_s, duration_s = float(row["onset"]), float(row["duration"])
    assert ONSET_S + 10 < onset_s < END_S - 2
    assert END_S < onset_s + duration_s < END_S + 5
    assert row["eventType"] == "sz"
    assert 0.6 < float(row["confidence"]) <= 1
    assert row["dateTime"] == "2021-03-04 05:06:07"
    assert float(row["recordingDuration"]) == LENGTH_S
    [event] = result.events
    assert event.outcome is Outcome.ENDED
    assert onset_s < event.declared_s < onset_s + duration_s
    # The warm-up is in no row, and what was monitored besides is background.
    assert (before["eventType"], after["eventType"]) == ("bckg", "bckg")
    assert float(before["onset"]) == pytest.approx(FRAME_S + WARM_UP_S - STEP_S, abs=0.01)
    assert float(before["onset"]) + float(before["duration"]) == pytest.approx(onset_s, abs=0.01)
    assert float(after["onset"]) == pytest.approx(onset_s + duration_s, abs=0.01)
    assert float(after["onset"]) + float(after["duration"]) == pytest.approx(LENGTH_S, abs=0.01)


def test_no_seizure_is_one_row_of_background_over_what_was_monitored(folder: Path, bundle: Bundle) -> None:
    path = folder / "quiet.edf"
    result = scored(path, bundle)
    [row] = rows(events_tsv(result, open_recording(path)))
    start = f"{FRAME_S + WARM_UP_S - STEP_S:.3f}"
    length = f"{LENGTH_S - float(start):.3f}"
    assert list(row.values()) == [start, length, "bckg", "n/a", "n/a", "2024-02-29 00:00:00", "60.000"]
    assert result.monitored_s == pytest.approx(float(length))
    assert sum(result.unmonitored.values()) == pytest.approx(float(start) - (FRAME_S - STEP_S))


def test_what_was_not_monitored_is_in_no_row(tmp_path: Path, bundle: Bundle) -> None:
    path = write_edf(tmp_path / "hole.edf", 90, holes=((40, 100),))
    result = scored(path, bundle)
    table = rows(events_tsv(result, open_recording(path)))
    spans = [(float(row["onset"]), float(row["onset"]) + float(row["duration"])) for row in table]
    for step in result.steps:
        middle = step.time_s - STEP_S / 2
        assert any(start < middle < end for start, end in spans) == (step.state is not State.NOT_MONITORING)
    assert sum(end - start for start, end in spans) == pytest.approx(result.monitored_s, abs=0.1)


def test_a_seizure_on_a_signal_that_dies_ends_where_it_could_last_be_watched(bundle: Bundle) -> None:
    eeg = SyntheticEeg(SyntheticConfig(60.0, float(RATE_HZ)))

    class Dies:
        description, duration_s, annotations = eeg.description, 60.0, ()

        def messages(self, chunk_samples: int = 4096) -> Iterator[Chunk | Gap]:
            for message in eeg.messages(chunk_samples):
                assert isinstance(message, Chunk)
                yield replace(message, samples=message.samples * (message.timestamps < 30)[:, None])

    decision = dict.fromkeys(("warm_up_s", "onset_hold_s", "smoothing_s", "refractory_s"), 0.0)
    result = score(Dies(), bundle, _Fixed([1.0]), decision=decision)
    [event] = result.events
    assert event.offset_s == pytest.approx(30, abs=STEP_S + 1)
    assert result.monitored_s == pytest.approx(30 - FRAME_S, abs=STEP_S + 2)
    assert result.unmonitored["poor"] > 25


def test_a_step_has_the_time_of_its_end_and_its_state(folder: Path, bundle: Bundle) -> None:
    text = steps_csv(scored(folder / "seizure.edf", bundle), RATE_HZ)
    table = list(csv.DictReader(io.StringIO(text)))
    assert text.splitlines()[0] == "time_s,probability,state,good_channels"
    times = [float(row["time_s"]) for row in table]
    assert times == pytest.approx(np.arange(FRAME_S, LENGTH_S + STEP_S / 2, STEP_S), abs=2e-4)
    for row, time_s in zip(table, times, strict=True):
        # Nothing is said in the warm-up, and what is not known is no number.
        assert (row["state"] == "0") == (time_s < FRAME_S + WARM_UP_S - 0.01)
        assert math.isnan(float(row["probability"])) == (row["state"] == "0")
    ictal = [time_s for row, time_s in zip(table, times, strict=True) if row["state"] == "2"]
    assert ONSET_S + 10 < ictal[0] < END_S
    assert END_S < ictal[-1] < END_S + 10
    assert ictal == pytest.approx(np.arange(ictal[0], ictal[-1] + 0.5, STEP_S))
    assert {row["good_channels"] for row in table[5:]} == {"22"}


@pytest.mark.parametrize("chunk_samples", [64, 1000, 10**9])
def test_chunk_size_never_changes_the_answer(folder: Path, bundle: Bundle, chunk_samples: int) -> None:
    path = folder / "seizure.edf"
    expected, found = scored(path, bundle), scored(path, bundle, chunk_samples)
    assert len(expected.events) == 1
    assert events_tsv(found, open_recording(path)) == events_tsv(expected, open_recording(path))
    assert [(s.time_s, s.state, s.good_channels) for s in found.steps] == [
        (s.time_s, s.state, s.good_channels) for s in expected.steps
    ]
    ours, theirs = ([step.probability for step in result.steps] for result in (found, expected))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_seizure_that_is_on_at_the_end_ends_there(folder: Path, bundle: Bundle) -> None:
    [event] = scored(folder / "ongoing.edf", bundle).events
    assert event.outcome is Outcome.UNKNOWN
    assert event.offset_s == pytest.approx(END_S)
    assert ONSET_S < event.onset_s < event.declared_s < END_S


def test_a_hole_resets_and_ends_a_seizure(tmp_path: Path, bundle: Bundle) -> None:
    path = write_edf(tmp_path / "hole.edf", 60, (ONSET_S, END_S), holes=((39, 100),))
    result = scored(path, bundle)
    assert result.duration_s == 160
    assert result.resets == 1
    [event, *_] = result.events
    assert event.outcome is Outcome.UNKNOWN
    assert event.offset_s == pytest.approx(39.0)
    # Nothing is said of what is not there, and the warm-up begins anew after it.
    times = [step.time_s for step in result.steps]
    assert not [time_s for time_s in times if 39 < time_s < 139 + FRAME_S - 0.1]
    after = [step for step in result.steps if step.time_s > 139]
    assert after[0].state is State.NOT_MONITORING
    assert math.isnan(after[0].probability)
    assert result.monitored_s == sum(step.state is not State.NOT_MONITORING for step in result.steps) * STEP_S


def test_progress_is_told_once_for_each_chunk_that_completes_steps(folder: Path, bundle: Bundle) -> None:
    told: dict[int, list[float]] = {7: [], 2048: []}
    for n, told_of in told.items():
        recording = open_recording(folder / "quiet.edf")
        result = score(recording, bundle, _Fixed([0.0]), chunk_samples=n, on_progress=told_of.append)
        times = [step.time_s for step in result.steps]
        # In small chunks each step is one; of the last chunk not all samples make a step.
        assert told_of == (
            times if n == 7 else [max(t for t in times if t * RATE_HZ < stop) for stop in _ends(n, times)]
        )


def _ends(n: int, times: list[float]) -> range:
    return range(n, round(times[-1] * RATE_HZ) + n, n)


def test_a_seizure_at_the_first_step_needs_no_step_before_it(bundle: Bundle) -> None:
    at_once = {"warm_up_s": 0.0, "onset_hold_s": 0.0, "smoothing_s": 0.0}
    source = SyntheticEeg(SyntheticConfig(10.5, float(RATE_HZ)))
    result = score(source, bundle, _Fixed([1.0]), decision=at_once)
    [event] = result.events
    # The onset is the beginning of the step; the end is that of the signal, not of the last whole step.
    assert (event.onset_s, event.offset_s) == pytest.approx((FRAME_S - STEP_S, 10.5))


def test_seizures_in_a_row_keep_their_order(bundle: Bundle) -> None:
    decision = dict.fromkeys(("warm_up_s", "onset_hold_s", "offset_hold_s", "smoothing_s", "refractory_s"), 0.0)
    source = SyntheticEeg(SyntheticConfig(13.0, float(RATE_HZ)))
    result = score(source, bundle, _Fixed([0.0, 1.0, 0.0]), decision=decision)
    onsets = [event.onset_s for event in result.events]
    assert len(onsets) == 4
    assert onsets == sorted(onsets)
    table = rows(events_tsv(result, _Started()))  # type: ignore[arg-type]
    assert [row["eventType"] for row in table].count("sz") == 4
    assert [float(row["onset"]) for row in table] == sorted(float(row["onset"]) for row in table)


@pytest.mark.parametrize(("seconds", "why"), [(1.0, "shorter than a frame of 2 s"), (11.0, "warmup")])
def test_what_cannot_be_monitored_is_an_error_that_says_why(bundle: Bundle, seconds: float, why: str) -> None:
    with pytest.raises(BadDataError, match=why):
        score(SyntheticEeg(SyntheticConfig(seconds, float(RATE_HZ))), bundle, _Fixed([0.0]))


def test_flat_eeg_is_never_called_free_of_seizures(tmp_path: Path, bundle: Bundle) -> None:
    path = write_edf(tmp_path / "flat.edf", 30, flat=True)
    with pytest.raises(BadDataError, match="poor"):
        score(open_recording(path), bundle, _Fixed([0.0]))


def test_a_file_is_there_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.tsv"
    write_whole(target, "old")

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:3])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DetectorError, match=r"cannot write .*a\.tsv: No space left") as failure:
        write_whole(target, "something new")
    assert failure.value.exit_code == 70
    assert [path.name for path in tmp_path.iterdir()] == ["a.tsv"]
    assert target.read_text() == "old"


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    with pytest.raises(DetectorError, match="No space left"):
        write_whole(full, "text")
    assert full.is_char_device(), "a device is written to, never replaced"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "link.tsv"
    link.symlink_to(tmp_path / "there" / "real.tsv")
    write_whole(link, "text")
    assert link.is_symlink()
    assert (tmp_path / "there" / "real.tsv").read_text() == "text"


class _Started:
    start = None


class _Fixed:
    """A network that says the same numbers again and again."""

    def __init__(self, values: list[float]) -> None:
        self._values, self._n = values, 0

    def process(self, features: list[Features]) -> list[Probability]:
        said = []
        for one in features:
            said.append(Probability(self._values[self._n % len(self._values)], one.good, one.end_s, one.missing))
            self._n += 1
        return said

    def reset(self) -> None:
        self._n = 0


def test_time_that_runs_backwards_ends_a_seizure_where_it_was(bundle: Bundle) -> None:
    eeg = SyntheticEeg(SyntheticConfig(20.0, float(RATE_HZ)))

    class Twice:
        description, duration_s, annotations = eeg.description, 20.0, ()

        def messages(self, chunk_samples: int = 4096) -> Iterator[Chunk | Gap]:
            yield from eeg.messages(chunk_samples)
            yield Gap(20.0 - 1 / RATE_HZ, 0.0, Reset.BACKWARDS)
            yield from eeg.messages(chunk_samples)

    decision = dict.fromkeys(("warm_up_s", "onset_hold_s", "smoothing_s", "refractory_s"), 0.0)
    result = score(Twice(), bundle, _Fixed([1.0]), decision=decision)
    assert result.resets == 1
    assert [event.offset_s for event in result.events] == pytest.approx([20.0, 20.0])
    assert all(event.offset_s > event.onset_s for event in result.events)
