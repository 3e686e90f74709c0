-- A file of the page's version 1, as that version wrote it.
BEGIN TRANSACTION;
CREATE TABLE alarm_log (
    id INTEGER PRIMARY KEY, time_s REAL NOT NULL, bed TEXT NOT NULL, alarm_id TEXT NOT NULL, action TEXT NOT NULL,
    who TEXT NOT NULL, alarm TEXT NOT NULL
);
INSERT INTO "alarm_log" VALUES(1,1000.0,'bed1','bed1.seizure.1000.1','raised','','{"id": "bed1.seizure.1000.1", "bed": "bed1", "kind": "seizure", "priority": "high", "text": "seizure", "since_s": 1000.0, "over_s": null, "unknown_s": null, "escalated_s": null, "acknowledged_s": null, "acknowledged_by": ""}');
CREATE TABLE bed (bed TEXT PRIMARY KEY, seen_s REAL NOT NULL, forgotten INTEGER NOT NULL DEFAULT 0);
INSERT INTO "bed" VALUES('bed1',1009.0,0);
CREATE TABLE label (
    id INTEGER PRIMARY KEY, time_s REAL NOT NULL, bed TEXT NOT NULL, kind TEXT NOT NULL, at_s REAL NOT NULL,
    who TEXT NOT NULL, alarm_id TEXT NOT NULL
);
INSERT INTO "label" VALUES(1,1001.0,'bed1','false-alarm',1000.0,'Joy','bed1.seizure.1000.1');
CREATE TABLE marker (id INTEGER PRIMARY KEY, bed TEXT NOT NULL, time_s REAL NOT NULL, text TEXT NOT NULL);
INSERT INTO "marker" VALUES(1,'bed1',1000.5,'seizure');
CREATE TABLE trend (
    bed TEXT NOT NULL, bin_s INTEGER NOT NULL, probability REAL, burden REAL, state INTEGER NOT NULL,
    good_channels INTEGER NOT NULL, PRIMARY KEY (bed, bin_s)
) WITHOUT ROWID;
INSERT INTO "trend" VALUES('bed1',1000,0.9,0.1,2,22);
CREATE INDEX alarm_log_alarm ON alarm_log (alarm_id);
CREATE INDEX alarm_log_time ON alarm_log (time_s);
CREATE TRIGGER alarm_log_stays BEFORE UPDATE ON alarm_log BEGIN SELECT RAISE(ABORT, 'rows are never changed'); END;
CREATE TRIGGER label_stays BEFORE UPDATE ON label BEGIN SELECT RAISE(ABORT, 'rows are never changed'); END;
CREATE INDEX marker_bed ON marker (bed, time_s);
CREATE INDEX marker_text ON marker (text, bed, time_s);
COMMIT;
PRAGMA user_version = 1;
