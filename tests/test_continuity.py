"""What is kept is where the session stands, and with a session it ends; a new process takes it up as it was."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.checkpoint import Checkpoint, read_checkpoint
from detector.config import Checkpoint as Settings
from detector.config import make_config
from detector.continuity import Continuity
from detector.decision import Decision
from detector.loading import Loaded
from detector.messages import (
    Chunk,
    Decided,
    Description,
    Event,
    Features,
    Gap,
    Probability,
    Reset,
    SessionReset,
    State,
    Status,
)
from detector.pipeline import Conditioning, Pipeline, decision_config
from detector.plain_state import Plain
from tests.bundles import tiny_bundle
from tests.live import until
from tests.signals import describe, noise, whole


class Network:
    """Says what it is told to say."""

    def __init__(self) -> None:
        self.value = 0.1

    def process(self, features: list[Features]) -> list[Probability]:
        return [Probability(self.value, f.good, f.end_s, f.missing) for f in features]

    def reset(self) -> None:
        """Nothing is remembered."""

    def get_state(self) -> list[np.typing.NDArray[np.float32]]:
        return [np.array([self.value], dtype=np.float32)]

    def set_state(self, state: object) -> None:
        """Nothing is remembered."""


class Source:
    """An outlet's state is a number here."""

    state: object = 7

    def get_state(self) -> Plain:
        return {"state": self.state}

    def set_state(self, state: object) -> None:
        assert isinstance(state, dict)
        self.state = state["state"]


class Process:
    """What of a daemon the checkpoint has to do with; ``kill`` leaves the file as it is."""

    def __init__(self, loaded: Loaded, description: Description, path: Path, every_s: float = 2.0) -> None:
        self.loaded, self.description = loaded, description
        self.source, self.reports = Source(), list[str]()
        settings = Settings(every_s=every_s, resume_within_s=30.0)
        self.continuity = Continuity(path, settings, "this boot", self.reports.append)
        self.said: list[Decided] = []
        self.event_id = ""

    def open(self, now_s: float = 25.0) -> bool:
        conditioning = Conditioning(self.loaded.bundle.card, self.description)
        self.network = Network()
        self.pipeline = Pipeline(conditioning, self.network, Decision(self.loaded.decision))
        return self.continuity.opened(self.loaded, self.description, self.source, now_s)

    def feed(self, message: Chunk | Gap, now_s: float) -> list[Decided]:
        taken_up = self.continuity.resume(self.pipeline, message)
        said: list[Decided] = []
        if taken_up is not None:
            self.event_id, said = taken_up
        if taken_up is None or isinstance(message, Chunk):
            said = [*said, *self.pipeline.process(message)]
        for one in said:
            self.continuity.hear(one)
        self.continuity.keep(self.loaded, self.pipeline, self.source, self.event_id, now_s)
        return said

    def watch(self, seconds: int, start_s: float, value: float = 0.1) -> list[Decided]:
        said: list[Decided] = []
        for second in range(seconds):
            self.network.value = value
            start = start_s + second
            said += self.feed(whole(noise(256, seed=int(start)), start_s=start), start)
        return said

    def kill(self) -> None:
        self.continuity.close()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    bundle = tiny_bundle(tmp_path_factory.mktemp("bundle"))
    config = make_config({"bed": {"name": "b"}, "source": {"source_id": "amp"}})
    return Loaded(config, bundle, Network(), decision_config(bundle.card))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bed.checkpoint"


@pytest.fixture
def process(loaded: Loaded, path: Path) -> Iterator[Any]:
    started: list[Process] = []

    def start(every_s: float = 2.0, uid: str = "u1") -> Process:
        description = replace(describe(loaded.bundle.card.derivations), uid=uid)
        started.append(Process(loaded, description, path, every_s))
        return started[-1]

    yield start
    for one in started:
        one.kill()


def in_file(path: Path) -> Checkpoint:
    until(path.exists, 5, "a checkpoint")
    found = read_checkpoint(path)
    assert found is not None
    return found


def statuses(said: list[Decided]) -> list[Status]:
    return [x for x in said if isinstance(x, Status)]


def events(said: list[Decided]) -> list[Event]:
    return [x for x in said if isinstance(x, Event)]


def test_a_seizure_goes_on_in_the_next_process_with_its_id_and_what_its_source_knew(process: Any, path: Path) -> None:
    first = process()
    assert not first.open()
    began = events(first.watch(12, 0.0) + first.watch(8, 12.0, 0.95))
    assert [e.number for e in began] == [1]
    first.event_id, first.source.state = "id-1", 99
    first.watch(3, 20.0, 0.95)
    first.kill()
    second = process()
    assert second.open()
    assert second.source.state == 99
    assert second.reports == []
    [status] = second.feed(Gap(23.0, 30.0, Reset.GAP, 1791), 30.0)
    assert (status.state, second.event_id) == (State.SEIZURE, "id-1")
    assert second.continuity.has_resumed
    assert second.reports == [
        "the checkpoint is taken up: 8.0 s and 1791 samples were not seen"
    ]  # since the last one was kept
    said = second.watch(20, 30.0, 0.05)
    assert [(e.number, e.onset_s) for e in events(said)] == [(1, began[0].onset_s)]
    assert statuses(said)[-1].state is State.NON_SEIZURE


def test_a_session_that_goes_on_without_a_seizure_resumes_none(process: Any, path: Path) -> None:
    """What was declared when the last checkpoint had been written has an end that nobody saw."""
    first = process()
    first.open()
    first.watch(14, 0.0)
    first.kill()
    second = process()
    assert second.open()
    assert second.continuity.is_pending(40.0)
    assert not second.continuity.is_pending(45.0)
    assert second.feed(Gap(14.0, 20.0, Reset.GAP, 1535), 20.0)
    assert second.reports
    assert not second.continuity.is_pending(20.0)
    assert not second.continuity.has_resumed


def test_a_session_that_the_operator_begins_before_the_stream_is_there_is_a_new_one(process: Any) -> None:
    first = process()
    first.open()
    first.watch(14, 0.0)
    first.kill()
    second = process()
    second.continuity.hear(SessionReset(20.0, Reset.OPERATOR, 0))
    assert not second.open()
    assert second.reports == ["the checkpoint is not taken up: another session has begun"]


def test_what_was_said_of_a_seizure_is_kept_before_its_time(process: Any, path: Path) -> None:
    one = process(every_s=60.0)
    one.open()
    one.watch(12, 0.0)
    assert in_file(path).pipeline["decision"]["session"]["event"] is None
    one.watch(8, 12.0, 0.95)

    def event() -> Any:
        return in_file(path).pipeline["decision"]["session"]["event"]

    until(event, 5, "the seizure in the file")
    assert event()["outcome"] == "ongoing"
    one.watch(15, 20.0, 0.05)
    until(lambda: event() is None, 5, "its end in the file")


@pytest.mark.parametrize("reason", [Reset.GAP, Reset.LOST, Reset.OPERATOR, Reset.END])
def test_with_its_session_a_checkpoint_ends(process: Any, path: Path, reason: Reset) -> None:
    one = process()
    one.open()
    one.watch(14, 0.0)
    in_file(path)
    one.feed(Gap(14.0, math.nan, reason), 14.0)
    until(lambda: not path.exists(), 5, "the file is gone")
    # Nothing is kept of a session in which no step was made.
    one.feed(whole(noise(256), start_s=40.0), 40.0)
    one.kill()
    assert not path.exists()


def test_what_was_taken_up_is_there_until_a_step_shows_that_it_does_no_harm(process: Any, path: Path) -> None:
    first = process()
    first.open()
    first.watch(14, 0.0)
    first.kill()
    before = path.read_bytes()
    second = process()
    second.open()
    second.feed(Gap(14.0, 20.0, Reset.GAP, 1535), 20.0)
    second.watch(1, 20.0)
    second.kill()
    assert path.read_bytes() == before
    third = process()
    assert third.open()
    third.feed(Gap(14.0, 25.0, Reset.GAP, 2815), 25.0)
    third.watch(4, 25.0)
    third.kill()
    found = in_file(path)
    assert found.newest_s > 28.0
    assert found.resumptions == 1


def test_a_stream_that_does_not_go_on_is_a_new_session_and_its_checkpoint_the_only_one(
    process: Any, path: Path
) -> None:
    first = process()
    first.open()
    first.watch(14, 0.0)
    first.kill()
    second = process(uid="u2")
    assert not second.open()
    [report] = second.reports
    assert report.startswith("the checkpoint is not taken up: the uid of the stream is 'u2'")
    second.feed(Gap(20.0, math.nan, Reset.NEW_STREAM), 20.0)
    second.kill()
    assert not path.exists()


def test_a_hole_that_is_too_long_is_a_gap_as_any_other(process: Any, path: Path) -> None:
    first = process()
    first.open()
    first.watch(14, 0.0)
    first.kill()
    second = process()
    assert second.open()
    said = second.feed(Gap(14.0, 60.0, Reset.GAP, 11775), 60.0)
    assert [type(x).__name__ for x in said] == ["SessionReset"]
    assert "its newest sample is 46.0 s old" in second.reports[0]
    second.kill()
    assert not path.exists()


def test_switched_off_nothing_is_kept_or_taken_up(process: Any, path: Path) -> None:
    first = process()
    first.open()
    first.watch(14, 0.0)
    first.kill()
    before = path.read_bytes()
    second = process(every_s=0.0)
    assert not second.open()
    second.watch(14, 20.0)
    assert path.read_bytes() == before
    second.feed(Gap(34.0, math.nan, Reset.END), 34.0)
    second.kill()
    assert not path.exists()
    assert second.reports == []


def test_after_the_clock_has_gone_back_it_is_kept_all_the_same(process: Any, path: Path) -> None:
    first = process()
    first.open()
    first.watch(14, 1000.0)
    first.kill()
    second = process()
    second.open()
    second.feed(Gap(1014.0, 1020.0, Reset.GAP, 1535), 1020.0)
    second.watch(4, 1020.0)
    second.feed(Gap(1024.0, 0.0, Reset.CLOCK), 1024.0)
    second.watch(4, 0.0)
    second.kill()
    assert in_file(path).newest_s < 4.0


def test_where_it_cannot_be_written_that_is_said(process: Any, path: Path) -> None:
    one = process()
    one.open()
    assert one.continuity.trouble is None
    path.mkdir()
    one.watch(4, 0.0)
    until(lambda: one.continuity.trouble, 5, "trouble")
    assert str(one.continuity.trouble).startswith(f"cannot write {path}: ")
