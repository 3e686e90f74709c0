"""Amplifiers in a process of their own, good ones and bad ones; each pushes noise at 256 Hz unless it is silent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_SCRIPT = """
import json, sys, time
import numpy as np, pylsl
from detector.conditioning.montage import MONTAGES

LABELS = MONTAGES["chb-mit-22"]
outlets = []
for one in json.loads(sys.argv[1]):
    labels = LABELS[:one.get("n", 22)]
    info = pylsl.StreamInfo(one["name"], one.get("type", "EEG"), len(labels), 256.0, "float32", one["source_id"])
    channels = info.desc().append_child("channels")
    for label in labels if one.get("labels", True) else ():
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", one.get("unit", "microvolts"))
    outlets.append((pylsl.StreamOutlet(info), len(labels), one))
print("ready", flush=True)
rng, began, pushed = np.random.default_rng(0), pylsl.local_clock(), 0
while True:
    time.sleep(0.05)
    due = int((pylsl.local_clock() - began) * 256)
    for outlet, n, one in outlets:
        if not one.get("silent") and due > pushed:
            newest_s = began + due / 256 - one.get("late_s", 0.0)
            outlet.push_chunk(rng.normal(0, 20, (due - pushed, n)).astype(np.float32).tolist(), newest_s)
    pushed = due
"""


@contextmanager
def amplifiers(*streams: Mapping[str, object], environment: Mapping[str, str] | None = None) -> Iterator[None]:
    """Stream until the end; each mapping says what a stream is and what is wrong with it."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, json.dumps(streams)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | (environment or {}),
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield
    finally:
        process.kill()
        process.communicate()
