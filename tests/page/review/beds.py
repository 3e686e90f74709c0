"""What beds keep, as `detector.page.review` finds it."""

from __future__ import annotations

from dataclasses import replace
from io import BufferedWriter
from pathlib import Path
from typing import Any

import numpy as np

from detector.conditioning.montage import MONTAGES
from detector.messages import Event, Outcome
from detector.sinks.clips_clip import Mark
from detector.sinks.clips_edf import write_edf
from detector.sinks.clips_place import ClipName, Limits, write_clip
from detector.sinks.clips_tape import not_received, received
from tests.clips import description
from tests.signals import noise
from tests.sinks.test_clips_edf import clip

BED = "bed1"
NAMES = MONTAGES["chb-mit-22"]
RATE_HZ = 256.0
ONSET_UTC_S = 1_770_000_060.0
HOSTILE = "<img src=x onerror=window.hacked=1>"


def write(
    folder: Path, event_id: str = "abc1", *, onset_utc_s: float = ONSET_UTC_S, rate_hz: float = RATE_HZ, **changes: Any
) -> Path:
    """Write a clip of 120 s: onset at 60 s, declared at 62 s, offset at 90 s; from 100 s on 5 s were not received."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = noise(round(120 * rate_hz))
    n = round(100 * rate_hz)
    stamps = 1000 + np.arange(len(samples)) / rate_hz
    hole = not_received(round(5 * rate_hz), samples.shape[1], float(stamps[n - 1]), 1 / rate_hz)
    behind = n + len(hole)
    made = clip(
        samples,
        rate_hz,
        bed=BED,
        event_id=event_id,
        description=description(22, rate_hz, labels=NAMES),
        ahead_s=onset_utc_s - 1060,
        event=Event(1, 1060.0, 1062.0, 1090.0, 0.9, Outcome.ENDED, event_id),
        blocks=(
            received(samples[:n], stamps[:n]),
            hole,
            received(samples[behind:], stamps[behind:]),
        ),
        steps=((1010.0, 0.25), (1062.0, 0.75), (1090.0, float("nan")), (1095.0, 0.125)),
        marks=(Mark(1061.0, 0.0, HOSTILE),),
    )
    made = replace(made, **changes)

    def content(file: BufferedWriter) -> None:
        write_edf(made, file)

    return write_clip(folder, ClipName(BED, onset_utc_s, event_id, 1), content, Limits(99, 99, 1e9))
