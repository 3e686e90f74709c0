"""Lives, crashes, boots and clocks that are set, in any order: what the journal proves is what there was."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from detector.journal_spans import is_watched
from detector.messages import Event, Outcome
from detector.sinks.journal import SILENCE_S
from tests.journals import Bed, said, watches

STATES = ["non-seizure", "not-monitoring/warmup", "not-monitoring/lost"]


class Lives(RuleBasedStateMachine):
    """A bed's years; beside the journal it is remembered what was said in each second of each boot."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="lives-"))
        self.bed = Bed(self.folder / "a.journal.sqlite")
        self.boots = 1
        self.rows: list[tuple[str, object]] = []
        self.watched: set[tuple[str, float]] = set()  # the middles of the seconds
        self.state = ""
        self.event: Event | None = None
        self.ended: dict[str, Outcome] = {}
        self.n_events = 0
        self.last_status_s: float | None = None

    @initialize()
    def begin(self) -> None:
        self._start()

    @rule(state=st.sampled_from(STATES), seconds=st.integers(1, 12))
    def say(self, state: str, seconds: int) -> None:
        if self.event is None:
            self._say(state, seconds)

    @precondition(lambda self: self.event is None and self.state == "non-seizure")
    @rule(seconds=st.integers(1, 12))
    def declare(self, seconds: int) -> None:
        self.n_events += 1
        self._notice_silence()
        self.event = self.bed.declare(self.n_events)
        self.rows.append(("seizure", "ongoing"))
        self._say("seizure", seconds)

    @precondition(lambda self: self.event is not None)
    @rule(outcome=st.sampled_from([Outcome.ENDED, Outcome.UNKNOWN]))
    def end(self, outcome: Outcome) -> None:
        assert self.event is not None
        self._notice_silence()
        offset_s = self.bed.now_s - 0.5 if outcome is Outcome.ENDED else None
        self.bed.journal.push_event(replace(self.event, offset_s=offset_s, outcome=outcome), self.bed.now_s)
        self.rows.append(("seizure", outcome.value))
        self.ended[self.event.id] = outcome
        self.event = None
        self._say("non-seizure" if outcome is Outcome.ENDED else "not-monitoring/poor", 2)

    @rule()
    def boundary(self) -> None:
        if self.event is None:
            self._notice_silence()
            self.bed.journal.push_marker("session-reset/gap", self.bed.now_s)
            self.rows.append(("session", "gap"))
            self._say("not-monitoring/warmup", 1)

    @rule(seconds=st.integers(1, 60))
    def stand_still(self, seconds: int) -> None:
        self.bed.now_s += seconds

    @rule(seconds=st.sampled_from([-3600.0, 0.5, 3600.0]))
    def set_the_clock(self, seconds: float) -> None:
        self.bed.utc_ahead_s += seconds

    @rule(pause_s=st.integers(1, 100))
    def stop(self, pause_s: int) -> None:
        if self.event is not None:
            self.end(Outcome.UNKNOWN)
        self._notice_silence()
        self.bed.stop()
        self.rows.append(("stop", None))
        self.bed.now_s += pause_s
        self._start()

    @rule(pause_s=st.integers(1, 100), boots=st.booleans(), resumes=st.booleans())
    def crash(self, pause_s: int, boots: bool, resumes: bool) -> None:
        self._notice_silence()
        self.bed.crash()
        self.bed.now_s += pause_s
        if boots:
            self.boots += 1
            self.bed.boot, self.bed.now_s = f"boot-{self.boots}", 10.0
        self.rows.append(("crash-detected", None))
        self._start()
        found = self.bed.journal.open_seizure(10)
        assert (found is not None) == (self.event is not None)
        if found is not None:
            assert self.event is not None
            assert (found.id, found.onset_s) == (self.event.id, self.event.onset_s)
            assert found.same_boot != boots
        if not (resumes and found is not None and found.same_boot):
            self.bed.journal.give_up_open_seizure(self.bed.now_s)
            if self.event is not None:
                self.rows.append(("seizure", "unknown"))
                self.ended[self.event.id] = Outcome.UNKNOWN
                self.event = None

    @invariant()
    def the_journal_proves_what_there_was(self) -> None:
        if not self.bed.is_open:
            return
        self._notice_silence()
        self.bed.settle()
        assert said(self.bed.path) == self.rows
        proved = watches(self.bed.path)
        seconds = set()
        for watch in proved:
            ends = [span.end_s for span in watch.spans]
            assert [span.start_s for span in watch.spans[1:]] == ends[:-1]
            for span in watch.spans:
                assert span.start_s < span.end_s
                if is_watched(span.said):
                    first = int(span.start_s)
                    seconds |= {(watch.boot, first + k + 0.5) for k in range(int(span.end_s) - first)}
        assert seconds == self.watched
        outcomes = {seizure.id: seizure.outcome for watch in proved for seizure in watch.seizures}
        assert {key: outcomes[key] for key in self.ended} == self.ended
        assert len(outcomes) == self.n_events
        if self.event is not None:
            assert outcomes[self.event.id] in (Outcome.ONGOING, Outcome.UNKNOWN)

    def teardown(self) -> None:
        if self.bed.is_open:
            self.bed.stop()
        shutil.rmtree(self.folder)

    def _start(self) -> None:
        self.bed.start()
        self.rows.append(("start", None))
        self.state, self.last_status_s = "", None

    def _say(self, state: str, seconds: int) -> None:
        self._notice_silence()
        since_s = self.last_status_s
        if since_s is not None and is_watched(self.state) and is_watched(state):
            self.watched |= {(self.bed.boot, since_s + k + 0.5) for k in range(int(self.bed.now_s - since_s))}
        self.bed.journal.push_marker(state, self.bed.now_s)
        self.rows.append(("state", state))
        self.state = state
        for _ in range(seconds):
            self.bed.say(state, 1, mark=False)
            self.last_status_s = self.bed.now_s
            if is_watched(state):
                self.watched.add((self.bed.boot, self.bed.now_s - 0.5))

    def _notice_silence(self) -> None:
        """Whatever is pushed next tells of a long silence; of a short one only what is said again does."""
        since_s, now_s = self.last_status_s, self.bed.now_s
        if since_s is not None and now_s - since_s > SILENCE_S:
            self.last_status_s = now_s
            self.rows.append(("silence", None))


TestLives = Lives.TestCase
TestLives.settings = settings(derandomize=True, deadline=None, database=None, max_examples=30, stateful_step_count=20)
