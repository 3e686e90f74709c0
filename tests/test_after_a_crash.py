"""A daemon that is killed in the middle of a seizure goes on with it: one event, and nothing untrue between."""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pylsl
import pytest

from detector.client.lsl import BedClient, Marker, StatusSample
from detector.messages import State
from tests.clips import read, texts
from tests.live import amplifier, program, until

BED, SOURCE = "crash", "crash-amp"
CONFIG = f"""
[bed]
name = "{BED}"
[source]
source_id = "{SOURCE}"
[decision]
warm_up_s = 5.0
poor_seizure_s = 120.0
[outlets]
detail = true
[checkpoint]
resume_within_s = 120.0
"""
AMPLIFIER = f"""
from detector.source.lsl_simulator import simulate
from detector.source.synthetic import SyntheticConfig, SyntheticEeg
eeg = SyntheticEeg(SyntheticConfig(200, seizures=((11, 60),)))
simulate(eeg, name="amp", source_id={SOURCE!r}, stop=lambda: False, wait_for_consumer_s=60)
"""


class Seen:
    """All that a client and a reader of the details were told, of every process of the bed."""

    def __init__(self) -> None:
        self.client = BedClient(BED, 60)
        self.markers: list[str] = []
        self.statuses: list[StatusSample] = []
        self.details: list[dict[str, Any]] = []
        self._details: pylsl.StreamInlet | None = None

    def read(self) -> None:
        """Read what has come."""
        for record in self.client.read(0.02):
            if isinstance(record, Marker):
                self.markers.append(record.text)
            elif isinstance(record, StatusSample):
                self.statuses.append(record)
        self._read_details()

    @property
    def seizures(self) -> list[dict[str, Any]]:
        """What was told of seizures; the rest are conditions."""
        return [detail for detail in self.details if detail["kind"] == "seizure"]

    def _read_details(self) -> None:
        if self._details is None:
            found = pylsl.resolve_byprop("name", f"{BED}-detail", timeout=1.0)
            self._details = pylsl.StreamInlet(found[0], recover=False) if found else None
            return
        try:
            while (sample := self._details.pull_sample(0.0)[0]) is not None:
                self.details.append(json.loads(sample[0]))
        except pylsl.util.LostError:
            self._details = None

    def _holds(self, condition: Callable[[], object]) -> object:
        self.read()
        return condition()

    def until(self, condition: Callable[[], object], within_s: float, what: str) -> float:
        """Read until the condition holds; return the seconds that it took."""
        return until(lambda: self._holds(condition), within_s, what)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = tmp_path / "bed.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def source() -> Iterator[None]:
    with amplifier(AMPLIFIER):
        yield


def _kept(folder: Path) -> list[str]:
    """Return the checkpoints, which are replaced as a whole."""
    return [path.read_text() for path in folder.rglob("*.checkpoint")]


def arguments(config: Path) -> tuple[str, ...]:
    return "run", "--config", str(config)


@pytest.mark.usefixtures("source")
def test_killed_in_a_seizure_it_watches_again_in_five_seconds_and_the_seizure_stays_one(
    config: Path, tmp_path: Path
) -> None:
    with program(*arguments(config), log=tmp_path / "first.log") as first:
        seen = Seen()
        seen.until(lambda: "seizure" in seen.markers and seen.seizures, 90, "a seizure and its detail")
        before = seen.seizures[-1]
        seizure = before["event_id"].removeprefix(f"{BED}-")
        # It is written at once, by a thread; killed before that, a process leaves two events and an unknown outcome.
        until(lambda: any(seizure in kept for kept in _kept(tmp_path)), 10, "a checkpoint in the seizure")
        time_of_death = seen.statuses[-1].time_s
        first.send_signal(signal.SIGKILL)
        first.wait()
    del seen.markers[:], seen.statuses[:]
    with program(*arguments(config), log=tmp_path / "second.log") as second:
        seen.until(lambda: "seizure" in seen.markers, 90, "the seizure again")
        seen.until(lambda: any(math.isfinite(s.probability) for s in seen.statuses), 30, "it is watched again")
        assert State.NON_SEIZURE not in [s.state for s in seen.statuses]
        assert not [text for text in seen.markers if text.startswith("session-reset")]
        missing = seen.statuses[-1].missing_samples
        seen.until(lambda: "non-seizure" in seen.markers, 90, "the seizure's end")
        assert seen.markers.count("seizure") == 1
        ended = seen.seizures[-1]
        second.send_signal(signal.SIGTERM)
        second.wait()
    # In sample time, which no load of the machine changes: a frame behind the first sample, and not a warm-up.
    again = [s for s in seen.statuses if s.state is State.SEIZURE]
    watched = next(s for s in again if math.isfinite(s.probability))
    assert watched.time_s - again[0].time_s < 3.0
    assert ended["event_id"] == before["event_id"]
    assert ended["onset"] == before["onset"]
    assert len({detail["event_id"] for detail in seen.seizures}) == 1
    assert missing > 256
    assert time_of_death < seen.statuses[0].time_s
    assert "the checkpoint is taken up" in (tmp_path / "second.log").read_text()
    assert not list(tmp_path.rglob("*.checkpoint"))
    [clip] = tmp_path.rglob("*.edf")
    assert seizure in clip.name
    assert any(
        text.startswith("detected onset") and text.endswith("before the first sample") for text in texts(read(clip))
    )


@pytest.mark.usefixtures("source")
def test_with_another_decision_it_begins_anew_and_says_why(config: Path, tmp_path: Path) -> None:
    with program(*arguments(config), log=tmp_path / "first.log") as first:
        seen = Seen()
        seen.until(lambda: "non-seizure" in seen.markers, 90, "it watches")
        until(lambda: list(tmp_path.rglob("*.checkpoint")), 10, "a checkpoint")
        first.send_signal(signal.SIGKILL)
        first.wait()
    config.write_text(CONFIG.replace("warm_up_s = 5.0", "warm_up_s = 6.0"))
    log = tmp_path / "second.log"
    with program(*arguments(config), log=log):
        del seen.markers[:]
        seen.until(lambda: "session-reset/new-stream" in seen.markers, 90, "a new session")
    assert (
        "the checkpoint is not taken up: the decision is warm_up_s 6.0, in the checkpoint warm_up_s 5.0"
        in log.read_text()
    )
