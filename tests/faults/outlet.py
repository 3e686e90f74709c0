"""What an amplifier says about itself, and what its channels really carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pylsl
from pylsl.lib import lib

from detector.conditioning.montage import MONTAGES

CHB_MIT = MONTAGES["chb-mit-22"]
Samples = npt.NDArray[np.float64]

MANY = 1000  # channels

# What SyntheticEeg simulates for the derivations of CHB-MIT: the columns of the file that `signal` takes.
ELECTRODES = tuple(dict.fromkeys(name for pair in CHB_MIT for name in pair.split("-")))


@dataclass(frozen=True)
class Outlet:
    """An outlet; its ``repr`` is the Python that makes it again in another process.

    Parameters
    ----------
    labels
        As declared; the bytes of a text that is no UTF-8 are surrogates.
    carries
        What the channels carry, in the words of the montage, where the labels lie or are written in another way:
        ``FP1-F7``, ``FP1``, or anything else for noise. By default what the labels say.
    unit
        As declared; empty for none.
    per_uv
        What one µV is in numbers.
    rate_hz, true_rate_hz
        As declared, and by the stamps where that is another one.
    drift, ahead_s
        How much faster than this machine's clock the stamps run, as a fraction, and where they began.
    unlabelled
        Channels more than labels.
    ballast_bytes
        Metadata that say nothing.
    """

    source_id: str
    labels: tuple[str, ...] = CHB_MIT
    carries: tuple[str, ...] = ()
    unit: str = "microvolts"
    per_uv: float = 1.0
    rate_hz: float = 256.0
    true_rate_hz: float | None = None
    drift: float = 0.0
    ahead_s: float = 0.0
    form: str = "float32"
    kind: str = "EEG"
    name: str = "amplifier"
    unlabelled: int = 0
    ballast_bytes: int = 0

    @property
    def n_channels(self) -> int:
        """How many channels it declares."""
        return len(self.labels) + self.unlabelled

    def open(self) -> pylsl.StreamOutlet:
        """Return it, open to the network."""
        info = pylsl.StreamInfo(self.name, self.kind, self.n_channels, self.rate_hz, self.form, self.source_id)
        if self.labels:
            channels = info.desc().append_child("channels")
            for label in self.labels:
                channel = channels.append_child("channel")
                _append_bytes(channel, "label", label.encode(errors="surrogateescape"))
                if self.unit:
                    channel.append_child_value("unit", self.unit)
        for _ in range(self.ballast_bytes // 100_000):
            info.desc().append_child_value("ballast", "x" * 100_000)
        return pylsl.StreamOutlet(info)

    def signal(self, electrodes: Samples, rng: np.random.Generator) -> Samples:
        """Return (n_samples, n_channels) in µV, from the potentials at `ELECTRODES`."""
        carried = (*(self.carries or self.labels), *[""] * self.n_channels)[: self.n_channels]
        if self.n_channels > MANY:  # gigabytes, of which nobody takes a sample
            electrodes = electrodes[:256]
        return np.column_stack([_carried(name, electrodes, rng) for name in carried])


def _carried(name: str, electrodes: Samples, rng: np.random.Generator) -> Samples:
    at = {electrode: column for column, electrode in enumerate(ELECTRODES)}
    anode, _, cathode = name.partition("-")
    if anode not in at or (cathode and cathode not in at):
        return rng.normal(0, 20, len(electrodes))
    carried = electrodes[:, at[anode]]
    return carried - electrodes[:, at[cathode]] if cathode else carried


def _append_bytes(element: Any, name: str, value: bytes) -> None:
    """Append a child with a value that need not be UTF-8, which pylsl's own method encodes."""
    lib.lsl_append_child_value(element.e, name.encode(), value)
