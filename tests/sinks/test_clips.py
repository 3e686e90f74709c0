"""Each event gets its EEG, from a minute before until half a minute behind, and what is not in it is said."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import numpy as np
import pytest

from detector.messages import Cause, Outcome, Reset, State, Status
from detector.sinks.clips_place import Limits, clips_in, name_of
from tests.clips import RATE, UTC_S, Stream, counted, description, onset_of, read, texts
from tests.live import until


@pytest.fixture
def stream(tmp_path: Path) -> Stream:
    return Stream(tmp_path / "clips" / "bed1")


def test_a_clip_is_from_a_minute_before_the_onset_to_half_a_minute_behind_the_offset(stream: Stream) -> None:
    stream.give(100)
    stream.seizure(20)
    event = stream.event
    stream.give(40)
    [path] = stream.closed()
    edf = read(path)
    numbers = counted(edf)
    assert (np.diff(numbers) == 1).all(), "no sample is lost, doubled or out of order"
    first_s = 1000 + numbers[0] / RATE
    assert event.offset_s is not None
    assert 0 <= event.onset_s - 60 - first_s <= 1, "a second of UTC is whole"
    assert 0 <= first_s + edf.duration - (event.offset_s + 30) <= 1.01, "and so is a record"
    for text, time_s in (
        ("detected onset", event.onset_s), ("declared", event.declared_s), ("detected offset", event.offset_s),
    ):  # fmt: skip
        at = onset_of(edf, text)
        assert numbers[round(at * RATE)] == pytest.approx((time_s - 1000) * RATE, abs=0.1), f"{text}: to a sample"
    assert texts(edf) == ["detected onset", "declared", "detected offset"], "there is nothing else to be said"
    start = edf.startdatetime.replace(tzinfo=UTC).timestamp()
    assert start == pytest.approx(first_s + UTC_S, abs=1e-5), "in UTC"
    assert start % 1 < 1 / RATE, "so that readers which know whole seconds only are right, too"


def test_the_name_and_the_journal_say_which_event_it_is(stream: Stream) -> None:
    stream.give(70)
    stream.seizure(10)
    onset_s = stream.event.onset_s
    stream.give(40)
    [path] = stream.closed()
    name = name_of(path.name)
    assert name is not None
    assert (name.bed, name.event_id, name.part) == ("bed1", "abc1", 1)
    assert name.onset_utc_s == math.floor(onset_s + UTC_S)
    assert stream.notes == [{"event_id": "abc1", "file": path.name, "length_s": read(path).duration}]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_the_probability_is_beside_the_eeg_and_never_0_where_nothing_was_watched(stream: Stream) -> None:
    stream.give(70)
    stream.seizure(10)
    stream.clips.push_status(Status(stream.now_s, math.nan, State.NOT_MONITORING, Cause.POOR, 0, 0, 0.0), 0.0)
    stream.give(5, state=State.NON_SEIZURE, probability=math.nan)
    stream.give(40)
    edf = read(stream.closed()[0])
    track, declared = edf.get_signal("probability").data, onset_of(edf, "declared")
    assert track[round((declared + 1) * RATE)] == pytest.approx(0.9, abs=1e-4)
    assert track[round((declared - 5) * RATE)] == pytest.approx(0.1, abs=1e-4)
    at = round((onset_of(edf, "detected offset") + 6) * RATE)
    assert (track[at : at + 256] == -1).all()


def test_what_was_not_received_is_filled_and_told_and_all_times_stay_right(stream: Stream) -> None:
    stream.give(60)
    stream.hole(3)
    stream.give(30)
    stream.seizure(10)
    onset_s = stream.event.onset_s
    stream.give(40)
    edf = read(stream.closed()[0])
    [gap] = [a for a in edf.annotations if a.text.startswith("BAD_gap")]
    assert gap.duration == pytest.approx(3)
    assert "384 samples" in gap.text
    numbers = counted(edf)
    assert numbers[round(onset_of(edf, "detected onset") * RATE)] == pytest.approx((onset_s - 1000) * RATE, abs=0.1)
    first, stop = (round(s * RATE) for s in (gap.onset, gap.onset + 3))
    assert (np.diff(numbers[first - 1 : stop]) == 0).all(), "held"
    assert numbers[stop] - numbers[stop - 1] == pytest.approx(385, abs=0.1)
    assert (edf.get_signal("probability").data[first:stop] == -1).all()
    assert "session-reset/gap" in texts(edf)


def test_a_seizure_whose_end_was_not_seen_has_what_there_is_and_says_so(stream: Stream) -> None:
    stream.give(70)
    stream.give(2)
    stream.declare()
    stream.give(10, state=State.SEIZURE)
    stream.hole(5, Reset.LOST)
    stream.end(None)
    stream.give(10)
    stream.now_s += 40  # and nothing comes any more
    stream.clips.push_status(Status(stream.now_s, math.nan, State.NOT_MONITORING, Cause.LOST, 0, 0, 0.0), 40.0)
    edf = read(stream.closed()[0])
    assert "outcome unknown: the end of the event was not seen" in texts(edf)
    numbers = counted(edf)
    assert numbers[-1] == pytest.approx(stream.count - 1, abs=0.1)
    assert "detected offset" not in texts(edf)


def test_a_clip_whose_samples_end_does_not_wait_for_ever(stream: Stream) -> None:
    stream.give(70)
    stream.seizure(10)
    stream.give(10)

    def lost() -> None:
        stream.clips.push_status(Status(stream.now_s, math.nan, State.NOT_MONITORING, Cause.LOST, 0, 0, 0.0), 9.0)

    stream.now_s += 20.0 - 10 + 4  # the offset was 15 s ago: 15 s more are owed, and 3 s of waiting
    lost()
    assert stream.clips._collected
    stream.now_s += 5
    lost()
    assert not stream.clips._collected
    edf = read(stream.closed()[0])
    assert any("of 30 s behind the offset" in text for text in texts(edf))


def test_a_lead_that_is_shorter_than_a_minute_says_how_long_it_is(stream: Stream) -> None:
    stream.give(20)
    stream.seizure(10)
    stream.give(40)
    edf = read(stream.closed()[0])
    assert onset_of(edf, "detected onset") == pytest.approx(20, abs=0.02)
    assert any(text.startswith("20.0 of 60 s before the onset") for text in texts(edf))


def test_many_channels_at_a_high_rate_take_no_more_memory_and_the_shorter_lead_is_told(tmp_path: Path) -> None:
    stream = Stream(tmp_path, memory_bytes=6_000_000, form=description(128, 2000.0))
    stream.give(3)
    tape = stream.clips._tape
    assert tape is not None
    assert tape.since(-math.inf).samples.nbytes <= 1_000_000
    for turn in range(40):
        stream.give(0.5)
        if turn == 4:
            stream.declare()
        held = sum(block.samples.nbytes for one in stream.clips._collected for block in one.blocks)
        assert held <= 1_000_000 + 512_000, "at most one chunk more than a share"
        until(lambda: not stream.clips._writer._waiting, 30, "the disk keeps pace, as it does in life")
    paths = stream.closed()
    files = [read(path) for path in paths]
    assert "of 60 s before the onset" in " ".join(texts(files[0]))
    assert len(files) > 15
    assert [name.part for name, _ in clips_in(tmp_path)] == [*range(1, len(files) + 1)]
    assert len({path.name.rsplit("_", 1)[0] for path in paths}) == 1, "all of one event"
    numbers = np.concatenate([counted(edf) for edf in files])
    assert (np.diff(numbers[: numbers.argmax() + 1]) == 1).all(), "no hole between two parts"
    assert numbers.max() == stream.count - 1


def test_a_long_seizure_is_cut_into_parts_that_follow_each_other(stream: Stream) -> None:
    stream.give(80)
    stream.seizure(700)
    stream.give(40)
    files = [read(path) for path in stream.closed()]
    assert len(files) == 3
    assert "goes on in the next file" in texts(files[0])
    assert "goes on from the file before" in texts(files[1])
    assert "detected onset 239.8 s before the first sample" in texts(files[1])
    assert "detected offset" in texts(files[2])
    numbers = np.concatenate([counted(edf) for edf in files])
    assert (np.diff(numbers) == 1).all()
    starts = [edf.startdatetime for edf in files]
    assert (starts[1] - starts[0]).total_seconds() == pytest.approx(files[0].duration, abs=1e-4)


def test_a_seizure_without_end_takes_an_hour_of_the_disk_and_no_more_memory(stream: Stream) -> None:
    stream.give(80)
    stream.seizure(5000)
    assert len(stream.clips._collected[0].steps) < 700
    assert stream.clips._collected[0].n_samples < RATE
    stream.give(40)
    files = [read(path) for path in stream.closed()]
    assert sum(edf.duration for edf in files) == 3600
    assert "outcome unknown: the recording ends before the event" in texts(files[-1])


@pytest.mark.parametrize(("limits", "most"), [(Limits(20, 30, 1e9), 5), (Limits(100, 30, 1.6e6), 2)])
def test_one_seizure_takes_no_more_than_a_fourth_of_what_is_kept(stream: Stream, limits: Limits, most: int) -> None:
    stream.config = replace(stream.config, limits=limits)
    stream.clips = stream.started()
    stream.give(80)
    stream.seizure(2500)
    stream.give(40)
    assert len(stream.closed()) == most


def test_two_seizures_in_a_row_have_a_clip_each(stream: Stream) -> None:
    stream.give(70)
    stream.seizure(10)
    stream.event = replace(stream.event, id="abc2", offset_s=None, outcome=Outcome.ONGOING)
    stream.seizure(10)
    stream.give(40)
    first, second = [read(path) for path in stream.closed()]
    assert texts(first)[:3] == ["detected onset", "declared", "detected offset"]
    assert onset_of(second, "detected onset") == pytest.approx(60, abs=1.1), "with its whole minute before"


def test_a_seizure_that_goes_on_from_before_this_program_is_told_so(stream: Stream) -> None:
    stream.give(10, state=State.SEIZURE, probability=0.9)
    stream.clips.resumed("abc1")
    stream.event = replace(stream.event, onset_s=980.0, declared_s=982.0)
    stream.give(5)
    stream.end()
    stream.give(40)
    [path] = stream.closed()
    edf = read(path)
    assert "detected onset 20.0 s before the first sample" in texts(edf)
    assert "0.0 of 60 s before the onset: no more was received or kept" in texts(edf)
    assert path.name.split("_")[2] == "abc1"
    assert (np.diff(counted(edf)) == 1).all()


def test_a_program_that_ends_in_a_seizure_writes_what_there_is(stream: Stream) -> None:
    stream.give(70)
    stream.give(2)
    stream.declare()
    stream.give(10, state=State.SEIZURE)
    [path] = stream.closed()
    assert "outcome unknown: the recording ends before the event" in texts(read(path))
    again = stream.started()
    stream.clips = again
    stream.give(10, state=State.SEIZURE)
    again.resumed("abc1")
    stream.end()
    stream.give(40)
    assert len(stream.closed()) == 2
    assert [name.part for name, _ in clips_in(stream.folder)] == [1, 2], "nothing is written over"


def test_a_program_that_ends_in_a_seizure_of_before_it_knows_which(stream: Stream) -> None:
    stream.give(10, state=State.SEIZURE)
    stream.clips.resumed("abc1")
    [path] = stream.closed()
    assert path.name.split("_")[2] == "abc1"
    assert "outcome unknown: the recording ends before the event" in texts(read(path))


def test_seizures_in_quick_succession_do_not_pile_up_in_memory(stream: Stream) -> None:
    stream.give(70)
    for number in range(6):
        stream.event = replace(stream.event, id=f"abc{number}", offset_s=None, outcome=Outcome.ONGOING)
        stream.seizure(4)
        assert len(stream.clips._collected) <= 2
    stream.give(40)
    files = [read(path) for path in stream.closed()]
    assert len(files) == 6
    assert any("of 30 s behind the offset" in text for text in texts(files[0])), "what had to go is told"


def test_another_stream_ends_a_clip_and_the_same_one_goes_on_in_it(stream: Stream) -> None:
    stream.give(70)
    stream.seizure(10)
    stream.clips.open(stream.form)
    stream.give(5)
    assert stream.clips._collected
    stream.clips.open(description(4))
    assert not stream.clips._collected
    edf = read(stream.closed()[0])
    assert edf.labels == ("C1", "C2", "C3", "probability"), "with the channels that it had"


def test_a_clock_that_is_set_back_begins_anew(stream: Stream) -> None:
    stream.give(30)
    stream.hole(-20_000, Reset.CLOCK)
    stream.count = 0
    stream.give(20)
    stream.seizure(10)
    stream.give(40)
    edf = read(stream.closed()[0])
    assert onset_of(edf, "detected onset") == pytest.approx(20, abs=0.1), "nothing of before is near to it"
    assert not any("BAD_gap" in text for text in texts(edf))


def test_a_disk_that_cannot_be_written_is_told_and_what_waits_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "clips").write_bytes(b"in the way")
    stream = Stream(tmp_path / "clips" / "bed1", memory_bytes=6_000_000)
    stream.give(70)
    for number in range(20):
        stream.event = replace(stream.event, id=f"abc{number}", offset_s=None, outcome=Outcome.ONGOING)
        stream.seizure(60)
    stream.give(40)
    writer = stream.clips._writer
    assert sum(clip.n_bytes for clip in writer._waiting) <= 2_000_000
    lost = [note for note in stream.notes if "lost" in note]
    assert len(lost) > 3
    (tmp_path / "clips").unlink()
    assert len(stream.closed()) + len([note for note in stream.notes if "lost" in note]) == 20, "each is told of"
