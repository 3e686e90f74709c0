"""What those who keep the program running are told at the end of each turn: conditions, signs of life, health."""

from __future__ import annotations

import time
from collections.abc import Mapping

from detector.conditions import Conditions, Kind
from detector.config import Config
from detector.diagnosis import Settling, diagnose
from detector.health import Health, Snapshot
from detector.loading import Loaded
from detector.messages import Condition, State
from detector.monitor import Monitor
from detector.proof import Proof
from detector.sd_notify import Notifier
from detector.source.lsl import LslSource, local_clock

_NOBODY_SENDS = {Kind.WAITING, Kind.REFUSED, Kind.LOST}


class Supervision:
    """Looks at a service from its side.

    Parameters
    ----------
    config
        The bed's configuration.
    notifier
        Whoever supervises the process.
    """

    def __init__(self, config: Config, notifier: Notifier) -> None:
        self.conditions, self.proof = Conditions(), Proof()
        self._settling = Settling()
        self.health = Health(config.health, config.bed.name)
        self._notifier = notifier

    def ready(self) -> None:
        """Say that everything stands and the first turn begins."""
        self._notifier.ready()

    def look(
        self,
        loaded: Loaded,
        source: LslSource,
        monitor: Monitor,
        faults: Mapping[str, str],
        troubles: Mapping[Kind, str | None],
        *,
        is_ready: bool = True,
    ) -> None:
        """Take what is true at the end of a turn.

        Parameters
        ----------
        loaded, source, monitor
            What runs.
        faults
            What is wrong with which derivation.
        troubles
            What is wrong beside the stream, by kind.
        is_ready
            Whether further turns follow.
        """
        now_s, status = local_clock(), monitor.status
        input_age_s = now_s - source.newest_s
        wrong = source.wrong()
        for kind, text in troubles.items():
            if text:
                wrong[kind] = text
        sends = _NOBODY_SENDS.isdisjoint(wrong)
        wrong |= self._settling.look(status if sends else None, loaded.decision.warm_up_s, now_s)
        if sends:
            wrong |= diagnose(status, input_age_s, loaded.config.source.stall_s, loaded.bundle.card, faults)
        for condition in self.conditions.see(wrong, now_s):
            monitor.tell(condition, now_s)
        standing = self.conditions.standing
        self._notify(loaded, monitor, standing, now_s)
        self.health.update(
            Snapshot(
                status=status,
                input_age_s=input_age_s,
                conditions=tuple(standing),
                source=source.connected,
                model_id=loaded.bundle.card.id,
                model_sha256=loaded.bundle.sha256,
                derivations=len(loaded.bundle.card.derivations),
                is_ready=is_ready,
                turned_s=time.monotonic(),
            )
        )

    def stopping(self) -> None:
        """Say that the program has begun to end."""
        self._notifier.stopping()

    def close(self) -> None:
        """Say nothing more."""
        self.health.close()
        self._notifier.close()

    def _notify(self, loaded: Loaded, monitor: Monitor, standing: list[Condition], now_s: float) -> None:
        status = monitor.status
        text = status.label
        if status.state is not State.NOT_MONITORING:
            text += f", {status.good_channels} of {len(loaded.bundle.card.derivations)} derivations"
        self._notifier.status(f"{text}; {standing[0].kind}: {standing[0].text}" if standing else text)
        if self.proof.holds(now_s, monitor.published_s):
            self._notifier.watchdog()
