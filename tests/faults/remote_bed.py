"""A bed whose amplifier is another machine: the daemon in one network namespace, the amplifier in another one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.faults.amplifier import Amplifier
from tests.faults.bed import Bed, Signals
from tests.faults.corruption import Corruption
from tests.faults.hosts import Host, Network, write_lsl_configuration

STREAM_BYTES_PER_S = 256 * (22 * 4 + 9)  # samples with a tag and a stamp each


class RemoteBed(Bed):
    """A daemon on its machine, and two others on the same switch: the amplifier's and a stranger's.

    The daemon knows the amplifier's address (``KnownPeers``), and not the stranger's; ``pinned`` is whether it believes
    the amplifier's machine only. It is observed where it runs.
    """

    def __init__(self, name: str, folder: Path, signals: Signals, pinned: bool = False) -> None:
        self._network = Network()
        self.bedside = self._network.host("bedside", 1)
        self.amplifier_host = self._network.host("amplifier", 2)
        self.stranger = self._network.host("stranger", 3)
        configuration = folder / f"{name}-lsl.cfg"
        write_lsl_configuration(configuration, self.amplifier_host)
        with self.bedside.entered():
            super().__init__(name, folder, signals, "amplifier" * pinned, LSLAPICFG=str(configuration))

    def started(self) -> None:
        """Wait until the daemon publishes."""
        with self.bedside.entered():
            super().started()

    def close(self) -> None:
        """End the daemon and take the network down."""
        super().close()
        for host in (self.bedside, self.amplifier_host, self.stranger):
            host.close()
        self._network.close()

    @contextmanager
    def amplifier(
        self, corruption: Corruption | None = None, *, host: Host | None = None, **options: Any
    ) -> Iterator[Amplifier]:
        """Run an amplifier on its machine, or on another one."""
        with ExitStack() as stack:
            with (host or self.amplifier_host).entered():
                amplifier = stack.enter_context(super().amplifier(corruption, **options))
            yield amplifier

    def resets(self) -> list[str]:
        """Return the reasons of the sessions' ends since the source that is watched was opened."""
        reasons = [m.text.partition("/")[2] for m in self.recording.markers if m.text.startswith("session-reset/")]
        return reasons[reasons.index("new-stream") + 1 :]

    def lost(self) -> list[int]:
        """Return the counts of the condition `lost` since `watch`, in the order in which they were told."""
        payloads = [detail.payload for detail in self.recording.details]
        return [p["count"] for p in payloads if p.get("condition") == "lost" and p["cleared"] is None]

    def missing(self) -> int:
        """Return how many samples were lost since the source that is watched was opened."""
        return int(self.recording.samples[-1].missing_samples)

    def replace_amplifier_host(self) -> None:
        """Cut the power of the amplifier's machine and have another one of the same name and address."""
        self.amplifier_host.close()
        self.amplifier_host = self._network.host(self.amplifier_host.name, self.amplifier_host.number)


@contextmanager
def running_remote_bed(name: str, folder: Path, signals: Signals, pinned: bool = False) -> Iterator[RemoteBed]:
    """Run such a bed."""
    bed = RemoteBed(name, folder, signals, pinned)
    try:
        yield bed
    finally:
        bed.close()
