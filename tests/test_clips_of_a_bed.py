"""A live bed writes the EEG around its seizure, the journal names it, and it plays again."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from detector.config import make_config
from detector.errors import DetectorError
from detector.journal_schema import SUFFIX, RowKind
from detector.loading import load
from detector.sinks.clips_place import clips_in
from detector.source.synthetic import SyntheticConfig, SyntheticEeg
from tests.clips import read, texts
from tests.journals import rows_of
from tests.live import amplifier, program, until
from tests.sinks.test_clips_replay import watched

BED, SOURCE = "clipped", "clipped-amp"
CONFIG = f'[bed]\nname = "{BED}"\n[source]\nsource_id = "{SOURCE}"\n'
AMPLIFIER = f"""
from detector.source.lsl_simulator import simulate
from detector.source.synthetic import SyntheticConfig, SyntheticEeg
eeg = SyntheticEeg(SyntheticConfig(200, seizures=((16, 40),), sample_index=True))
simulate(eeg, name="amp", source_id={SOURCE!r}, stop=lambda: False, wait_for_consumer_s=60)
"""


def rows(folder: Path, kind: str) -> list[dict[str, Any]]:
    """Return what the bed's journal says of this kind; nothing before there is one."""
    try:
        return [row.facts for row in rows_of(folder / f"{BED}{SUFFIX}") if row.kind == kind]
    except DetectorError:
        return []


def test_a_live_seizure_is_on_disk_within_five_seconds_of_its_clips_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    config = tmp_path / "bed.toml"
    config.write_text(CONFIG)
    state = tmp_path / "seizure-detector"
    folder = state / "clips" / BED
    with amplifier(AMPLIFIER), program("run", "--config", str(config), log=tmp_path / "log") as bed:
        until(lambda: clips_in(folder), 150, "a seizure, its end, and its clip")
        until(lambda: rows(state, RowKind.CLIP), 10, "the journal names it")
        bed.send_signal(signal.SIGTERM)
        assert bed.wait(10) == 0
    [seizure] = [row for row in rows(state, RowKind.SEIZURE) if row["outcome"] == "ended"]
    [(name, path)] = clips_in(folder)
    [told] = rows(state, RowKind.CLIP)
    assert told["file"] == path.name
    assert name.event_id == told["event_id"] == seizure["id"]
    edf = read(path)
    late_s = path.stat().st_mtime - edf.startdatetime.replace(tzinfo=UTC).timestamp() - edf.duration
    assert late_s < 5, f"{late_s} s after its last sample"
    counted = edf.get_signal("SAMPLE").data
    assert abs(counted[-1] - counted[0] - (len(counted) - 1)) < 1, "no sample of it is missing"
    assert {"detected onset", "declared", "detected offset"} < set(texts(edf))
    command = [sys.executable, "-m", "detector", "events", "--bed", BED, "--kind", "clip"]
    assert path.name in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    command = [sys.executable, "-m", "detector", "score", str(path)]
    scored = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    onsets = [float(line.split("\t")[0]) for line in scored[1:] if "\tsz" in line]
    [onset_s] = [annotation.onset for annotation in edf.annotations if annotation.text == "detected onset"]
    assert len(onsets) == 1
    assert abs(onsets[0] - onset_s) < 3, "the same seizure"


def test_a_clip_plays_again_and_the_seizure_is_seen_in_it_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    loaded = load(make_config({"bed": {"name": "bed1"}, "source": {"source_id": "amp"}}))
    [event] = watched(loaded, SyntheticEeg(SyntheticConfig(300, seizures=((200, 250),))), tmp_path / "first")
    [(_, path)] = clips_in(tmp_path / "first")
    config = tmp_path / "bed.toml"
    config.write_text(f"{CONFIG}replay = true\n")
    play = ("simulate", str(path), "--source-id", SOURCE, "--speed", "4")
    state = tmp_path / "seizure-detector"

    def ended() -> list[dict[str, Any]]:
        return [row for row in rows(state, RowKind.SEIZURE) if row["outcome"] == "ended"]

    with program("run", "--config", str(config), log=tmp_path / "log"):
        until(lambda: rows(state, RowKind.STATE)[-1:] == [{"state": "not-monitoring/waiting"}], 60, "the bed waits")
        with program(*play, log=tmp_path / "played"):
            until(ended, 120, "the seizure, and its end")
    [again] = ended()
    assert event.offset_s is not None
    assert again["offset_s"] - again["onset_s"] == pytest.approx(event.offset_s - event.onset_s, abs=3)
