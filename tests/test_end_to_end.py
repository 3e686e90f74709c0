"""A real seizure through a real amplifier process, a real daemon process and real LSL, read as a client reads it."""

from __future__ import annotations

import signal
import time
import uuid
from pathlib import Path

import numpy as np
import pytest

from detector.client.lsl import BedClient, Marker, StatusSample
from detector.client.lsl_truth import TruthClient
from detector.messages import State
from detector.network.bundle import load_bundle
from detector.network.keras_lstm import KerasLstm
from detector.scoring import score
from detector.source.recording import open_recording
from tests.live import program
from tests.recordings import RATE, real_seizure


def test_a_real_seizure_is_published_at_the_right_sample_times_and_live_equals_offline(
    eeg_data: Path, tmp_path: Path
) -> None:
    recording_path = tmp_path / "chb03.edf"
    onset_s, end_s = real_seizure(eeg_data, recording_path)
    name = uuid.uuid4().hex[:8]
    config = tmp_path / "bed.toml"
    config.write_text(f'[bed]\nname = "{name}"\n[source]\nsource_id = "{name}"\nreplay = true\n')
    markers: list[Marker] = []
    statuses: list[StatusSample] = []
    log = tmp_path / "daemon.log"
    with program("run", "--config", str(config), log=log) as daemon:
        client = BedClient(name, 60)
        simulate = ("simulate", str(recording_path), "--source-id", name, "--speed", "4", "--wait", "20")
        with program(*simulate, log=tmp_path / "amplifier.log") as amplifier:
            truth = TruthClient(name)
            while amplifier.poll() is None:
                truth.read()
                for record in client.read():
                    if isinstance(record, Marker):
                        markers.append(record)
                    else:
                        statuses.append(record)
        daemon.send_signal(signal.SIGTERM)
        began = time.monotonic()
        while daemon.poll() is None and time.monotonic() - began < 5:
            markers += [record for record in client.read() if isinstance(record, Marker)]
        assert daemon.returncode == 0, log.read_text()
        assert time.monotonic() - began < 2
        client.close()

    [(onset_stamp, _), *_] = [marker for marker in truth.read() if marker[1] == "seizure/onset"]
    start_stamp = onset_stamp - onset_s  # of the recording's first sample, on the LSL clock
    states = [(m.text, m.time_s - start_stamp) for m in markers if m.text in ("seizure", "non-seizure")]

    # What it says, and when.
    assert [text for text, _ in states] == ["non-seizure", "seizure", "non-seizure"]
    assert onset_s < states[1][1] < end_s
    assert end_s - 15 < states[2][1] < end_s + 25
    assert markers[-1].text == "monitoring-stop"

    # Live and offline agree.
    bundle = load_bundle()
    offline = score(open_recording(recording_path), bundle, KerasLstm(bundle))
    assert len(offline.events) == 1
    assert offline.events[0].declared_s - 1 / RATE == pytest.approx(states[1][1], abs=0.01)

    def step_of(time_s: float) -> int | None:
        """Return the number of the step that ends at a sample time; none for a status held between steps."""
        steps = (time_s + 1 / RATE) / bundle.card.step_s
        return round(steps) if abs(steps - round(steps)) < 0.01 else None

    watched = [s for s in statuses if s.state != State.NOT_MONITORING]
    live = {step_of(s.time_s - start_stamp): s.probability for s in watched}
    told = {step_of(s.time_s): s.probability for s in offline.steps if s.state != State.NOT_MONITORING}
    live.pop(None, None)
    assert len(live) > 0.9 * len(told)
    assert len(told) > 150
    np.testing.assert_allclose(list(live.values()), [told[step] for step in live], atol=1e-4)
