"""What must hold of a bed whose daemon is killed: judged by its journal and by what a client heard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from detector.client.lsl import Marker, StatusSample
from detector.errors import DetectorError
from detector.journal_found import check
from detector.journal_reading import JournalReader
from detector.journal_schema import Row, RowKind
from detector.messages import Event, Outcome, State

PERIOD_S, SILENT_S, SEIZURE_S = 90.0, 6.0, (25.0, 80.0)  # of the amplifier: nothing is sent at first
_LOSS_S = 3.0  # after so long without samples nothing is watched, on a busy machine
_TAIL_S = 10.0  # behind its offset, until a seizure is over for the detector
_HOLE_S = 45.0  # ... and until it is found over, where a daemon was killed in it
_WARM_UP_S = 3.5  # a frame of 2 s and a warm-up of 2 s, less half a step
_UNTRIED_S = 7.0  # of a stream whose rate must be measured first
_UNSAVED = 3  # states that were said and not yet on disk at a kill
_LABELS = tuple(state.label for state in State)
_BROKEN = {RowKind.DAMAGED, RowKind.MISSING, RowKind.ROWS_LOST, RowKind.FILE_BEGUN, RowKind.ERROR}


class Oracle:
    """Told of the end of each life.

    Parameters
    ----------
    journal
        The bed's file.
    begin_s
        When a period of its amplifier began, on the LSL clock.
    """

    def __init__(self, journal: Path, begin_s: float) -> None:
        self._journal, self._begin_s = journal, begin_s
        self.faults: list[str] = []
        self.found: Counter[str] = Counter()
        self._last: Row | None = None
        self._newest_id = 0
        self._lives_of: dict[str, int] = {}  # of the seizures that are on: how many lives have begun since
        self._ended = ""  # the seizure that ended last
        self._states: list[str] = []  # of the present life
        self._untrue_s: list[tuple[float, float]] = []  # from when until when non-seizure cannot be true in it

    def fault(self, text: str) -> None:
        """Remember what is not as it must be."""
        self.faults.append(f"{self._journal.name}, life {self.found['lives']}: {text}")

    def life_ended(self, heard: Sequence[Marker | StatusSample]) -> None:
        """Read what was written since the last life ended, and judge what was heard of this one."""
        self.found["lives"] += 1
        self._states, self._untrue_s = [], []
        if aside := [path.name for path in self._journal.parent.glob(f"{self._journal.name}*damaged*")]:
            self.fault(f"a file was set aside: {aside}")
        if self._journal.exists() and self._journal.stat().st_size:
            self._read()
        self._compare([record.text for record in heard if isinstance(record, Marker)])
        for record in heard:
            if isinstance(record, StatusSample) and record.state is State.NON_SEIZURE:
                self.found["non-seizure"] += 1
                self._judge(record.time_s, "the status outlet")

    def bed_ended(self) -> None:
        """Judge what is left behind an orderly end."""
        if self._last is None or self._last.kind != RowKind.STOP:
            self.fault(f"the last row is {self._last}")
        if self._lives_of:
            self.fault(f"nothing tells what became of the seizures {list(self._lives_of)}")

    def _read(self) -> None:
        until_id = self._newest_id
        try:
            with closing(JournalReader(self._journal)) as reader:
                check(reader._connection)
                rows = [row for row in reader.rows() if row.id > until_id]
        except DetectorError as error:
            if self._last is not None:  # else killed before there were tables
                self.fault(f"the journal cannot be read: {error}")
            return
        for row in rows:
            self._take(row)
            # What became of a clip is told when its disk has it, also behind the word that all has stopped.
            if row.kind != RowKind.CLIP or self._last is None or self._last.kind != RowKind.STOP:
                self._last = row
            self._newest_id = row.id
        self.found["rows"] += len(rows)

    def _take(self, row: Row) -> None:
        lsl_s = row.lsl_s or 0.0
        if row.kind in _BROKEN:
            self.fault(f"row {row.id} is {row.kind}: {row.payload}")
        elif row.kind == RowKind.CRASH:
            self.found["crashes"] += 1
        elif row.kind == RowKind.START:
            self.found["starts"] += 1
            self._states, self._untrue_s = [], [(lsl_s, lsl_s + _UNTRIED_S)]
            self._lives_of = {seizure: lives + 1 for seizure, lives in self._lives_of.items()}
            if self._last is not None and self._last.kind != RowKind.CRASH:
                self.fault(f"row {row.id} starts, and no crash is told before")
        elif row.kind == RowKind.CHECKPOINT and "is taken up" in row.payload:
            self.found["taken up"] += 1
            self._untrue_s = []
        elif row.kind == RowKind.SESSION:
            self._untrue_s.append((lsl_s, lsl_s + _WARM_UP_S))
        elif row.kind == RowKind.SEIZURE:
            facts = {key: row.facts[key] for key in Event.__slots__ if key in row.facts}
            self._take_seizure(Event(**facts))
        elif row.kind == RowKind.STATE:
            self._states.append(row.facts["state"])
            if self._states[-1] == State.NON_SEIZURE.label:
                self._judge(lsl_s, "the journal")
                if self._lives_of:
                    self.fault(f"row {row.id} says non-seizure while {list(self._lives_of)} is on")

    def _take_seizure(self, seizure: Event) -> None:
        onset_s, offset_s = SEIZURE_S
        if seizure.outcome == Outcome.ONGOING:
            self.found["declared"] += 1
            if not onset_s < (at_s := self._phase(seizure.declared_s)) < offset_s + _TAIL_S:
                self.fault(f"a seizure is declared at {at_s:.1f} s of the period")
            if self._lives_of:
                self.fault(f"a seizure is declared while {list(self._lives_of)} is on")
            self._lives_of[seizure.id] = 0
            return
        lives = self._lives_of.pop(seizure.id, None)
        if lives is None:
            # Killed between the row of its end and the next checkpoint, a daemon finds it on, and over, once more.
            self.found["end told twice"] += 1
            if seizure.id != self._ended:
                self.fault(f"the seizure {seizure.id} is {seizure.outcome} and was not on")
            return
        self._ended = seizure.id
        if seizure.outcome != Outcome.ENDED:
            self.found["unknown"] += 1
            return
        self.found["ended"] += 1
        self.found["ended in another life"] += lives > 0
        assert seizure.offset_s is not None
        late_s = self._phase(seizure.offset_s - offset_s + 2.0)
        if late_s > 2.0 + (_HOLE_S if lives else _TAIL_S):
            self.fault(f"a seizure that ends at {offset_s} s ends at {self._phase(seizure.offset_s):.1f} s for it")

    def _compare(self, markers: Sequence[str]) -> None:
        """Compare the states that were heard with those that were written; the first may not have been heard yet."""
        heard, written = [text for text in markers if text.split("/")[0] in _LABELS], self._states
        if not any(
            written[i : i + len(heard)] == heard[: len(written) - i] and len(heard) - (len(written) - i) <= _UNSAVED
            for i in range(len(written) + 1)
        ):
            self.fault(f"the events outlet says {heard}, the journal {written}")

    def _judge(self, time_s: float, where: str) -> None:
        if _LOSS_S < self._phase(time_s) < SILENT_S:
            self._lie(f"{where} says non-seizure where nothing is sent")
        for since_s, until_s in self._untrue_s:
            if since_s < time_s < until_s:
                self._lie(f"{where} says non-seizure {time_s - since_s:.1f} s after a beginning")

    def _lie(self, text: str) -> None:
        self.found["false non-seizure"] += 1
        self.fault(text)

    def _phase(self, time_s: float) -> float:
        return (time_s - self._begin_s) % PERIOD_S
