"""Rows that wait to be written; what is dropped when they become too many, and that it was."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import replace

from detector.journal_schema import Alive, Row, RowKind
from detector.json_text import json_text

# Dropped first is what is not in here, then what says when it was watched; seizures and lives go last.
_WATCHED = {RowKind.STATE, RowKind.SESSION, RowKind.SILENCE}
_KEPT = {RowKind.SEIZURE, RowKind.START, RowKind.STOP, RowKind.CRASH, RowKind.FILE_BEGUN}


class WaitingRows:
    """A queue between those who say something and the one who writes it; both may call at any time.

    Parameters
    ----------
    capacity
        With more rows than these the oldest of the least important ones is dropped. In its place a row tells how many
        of which kind there were, and since when one cannot know what was watched.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._ranks: tuple[deque[tuple[int, Row]], ...] = (deque(), deque(), deque())
        self._first = self._next = 0
        self._alive: Alive | None = None
        self._lost: Counter[str] = Counter()
        self._first_lost: Row | None = None
        self._told: Row | None = None  # what was to be written of those that were lost before

    def put(self, row: Row) -> None:
        """Append a row."""
        with self._lock:
            self._ranks[_rank(row)].append((self._next, row))
            self._next += 1
            self._fit()

    def put_alive(self, alive: Alive) -> None:
        """Take the place of what was known of this program's life; it is as true as the rows before it are written."""
        with self._lock:
            self._alive = alive

    def put_first(self, rows: Iterable[Row]) -> None:
        """Put rows before all that wait: those that could not be written, or what a new file begins with."""
        with self._lock:
            for row in reversed([*rows]):
                if row.kind == RowKind.ROWS_LOST:
                    self._told = row
                    continue
                self._first -= 1
                self._ranks[_rank(row)].appendleft((self._first, row))
            self._fit()

    def forget(self, rows: Iterable[Row]) -> None:
        """Take these very rows out, where they wait: they are written."""
        written = set(map(id, rows))
        with self._lock:
            if id(self._told) in written:
                self._told = None
            for rank in self._ranks:
                left = [entry for entry in rank if id(entry[1]) not in written]
                rank.clear()
                rank.extend(left)

    def take(self, at_most: int) -> tuple[list[Row], Alive | None]:
        """Return the oldest rows, in order, and, where these are all of them, until when this program lived."""
        with self._lock:
            rows = [self._tell_lost()] if self._lost or self._told else []
            while len(rows) < at_most and any(self._ranks):
                rows.append(min((rank for rank in self._ranks if rank), key=lambda rank: rank[0][0]).popleft()[1])
            if any(self._ranks):
                return rows, None
            alive, self._alive = self._alive, None
            return rows, alive

    def __len__(self) -> int:
        with self._lock:
            return sum(map(len, self._ranks))

    def _fit(self) -> None:
        while sum(map(len, self._ranks)) > self._capacity:
            _, row = next(rank for rank in self._ranks if rank).popleft()
            self._lost[row.kind] += 1
            if self._first_lost is None or (not _rank(self._first_lost) and _rank(row)):
                self._first_lost = row

    def _tell_lost(self) -> Row:
        """Return a row about those that were dropped, stamped as the first of them that matters."""
        told, first, lost = self._told, self._first_lost, self._lost
        self._told, self._first_lost, self._lost = None, None, Counter()
        is_unknown = first is not None and bool(_rank(first))
        if told is not None:  # it could not be written, and there may be more now
            lost.update(told.facts["lost"])
            if told.facts["watched_unknown"] or not is_unknown:
                first, is_unknown = told, told.facts["watched_unknown"]
        assert first is not None
        facts = {"lost": dict(lost), "watched_unknown": is_unknown}
        return replace(first, kind=str(RowKind.ROWS_LOST), payload=json_text(facts))


def _rank(row: Row) -> int:
    return 2 if row.kind in _KEPT else 1 if row.kind in _WATCHED else 0
