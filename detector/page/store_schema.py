"""The tables of the page's file, and how a file of an earlier version becomes one of this."""

from __future__ import annotations

import sqlite3

# What each version added; a new file gets all of it.
_V1 = """
CREATE TABLE alarm_log (
    id INTEGER PRIMARY KEY, time_s REAL NOT NULL, bed TEXT NOT NULL, alarm_id TEXT NOT NULL, action TEXT NOT NULL,
    who TEXT NOT NULL, alarm TEXT NOT NULL
);
CREATE INDEX alarm_log_alarm ON alarm_log (alarm_id);
CREATE INDEX alarm_log_time ON alarm_log (time_s);
CREATE TRIGGER alarm_log_stays BEFORE UPDATE ON alarm_log BEGIN SELECT RAISE(ABORT, 'rows are never changed'); END;
CREATE TABLE label (
    id INTEGER PRIMARY KEY, time_s REAL NOT NULL, bed TEXT NOT NULL, kind TEXT NOT NULL, at_s REAL NOT NULL,
    who TEXT NOT NULL, alarm_id TEXT NOT NULL
);
CREATE TRIGGER label_stays BEFORE UPDATE ON label BEGIN SELECT RAISE(ABORT, 'rows are never changed'); END;
CREATE TABLE marker (id INTEGER PRIMARY KEY, bed TEXT NOT NULL, time_s REAL NOT NULL, text TEXT NOT NULL);
CREATE INDEX marker_bed ON marker (bed, time_s);
CREATE INDEX marker_text ON marker (text, bed, time_s);
CREATE TABLE trend (
    bed TEXT NOT NULL, bin_s INTEGER NOT NULL, probability REAL, burden REAL, state INTEGER NOT NULL,
    good_channels INTEGER NOT NULL, PRIMARY KEY (bed, bin_s)
) WITHOUT ROWID;
CREATE TABLE bed (bed TEXT PRIMARY KEY, seen_s REAL NOT NULL, forgotten INTEGER NOT NULL DEFAULT 0);
"""
_V2 = """
CREATE TABLE eeg_bin (
    bed TEXT NOT NULL, bin_s INTEGER NOT NULL, n_good INTEGER NOT NULL, packed BLOB NOT NULL, PRIMARY KEY (bed, bin_s)
) WITHOUT ROWID;
CREATE TABLE threshold (
    bed TEXT NOT NULL, time_s REAL NOT NULL, onset REAL, offset REAL, PRIMARY KEY (bed, time_s)
) WITHOUT ROWID;
"""
_ADDED = (_V1, _V2)
VERSION = len(_ADDED)


def make_newest(connection: sqlite3.Connection) -> None:
    """Make an empty file, or one of an earlier version, one of `VERSION`: all of it or nothing.

    Raises
    ------
    sqlite3.DatabaseError
        When it is of no version that is known here.
    """
    [[version]] = connection.execute("PRAGMA user_version")
    is_empty = not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if not (0 < version <= VERSION or (version == 0 and is_empty)):
        raise sqlite3.DatabaseError(f"it is of version {version}, expected {VERSION}")
    if version < VERSION:
        connection.executescript(f"BEGIN; {''.join(_ADDED[version:])} PRAGMA user_version = {VERSION}; COMMIT;")
