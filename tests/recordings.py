"""Real recordings as files, composed of the clips in the shared data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from edfio import Edf, EdfAnnotation, EdfSignal, read_edf

RATE = 256


def real_seizure(data: Path, target: Path) -> tuple[float, float]:
    """Write a recording of chb03 with a seizure in it and return the seizure's onset and end in seconds.

    Post-ictal EEG of an earlier record leads in; then the ten seconds before the onset, the seizure, and what follows
    it without a gap come from one record. The joint is a cut, as between any two files of CHB-MIT.
    """
    clips = data / "chbmit" / "clips"
    lead, seizure, after = (
        read_edf(clips / "normal" / f"{_clip(clips / 'normal', 'chb03_01')}"),
        read_edf(clips / "seizures" / f"{_clip(clips / 'seizures', 'chb03_35')}"),
        read_edf(clips / "normal" / f"{_clip(clips / 'normal', 'chb03_35')}"),
    )
    before = np.load(data / "chbmit" / "preonset" / "chb03_35_preictal10s.npy")[:, : 10 * RATE]
    labels = [signal.label for signal in seizure.signals]
    lead_of = {signal.label: signal.data for signal in lead.signals}
    after_of = {signal.label: signal.data for signal in after.signals}
    signals = []
    for k, signal in enumerate(seizure.signals):
        parts = (
            lead_of[signal.label][: 30 * RATE],
            before[k],
            signal.data,
            after_of[signal.label][4 * RATE : 29 * RATE],
        )
        signals.append(
            EdfSignal(
                np.concatenate(parts), RATE, label=labels[k], physical_dimension="uV", physical_range=(-3200, 3200)
            )
        )
    n_seizure = len(seizure.signals[0].data) / RATE
    annotation = EdfAnnotation(40.0, n_seizure, "seizure")
    Edf(signals, annotations=[annotation]).write(target)
    return 40.0, 40.0 + n_seizure


def _clip(folder: Path, record: str) -> str:
    return next(path.name for path in sorted(folder.glob(f"{record}_*.edf")))
