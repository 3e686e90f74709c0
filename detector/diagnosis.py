"""What is wrong with the watching at this moment, in words: what came, what was expected and what to do."""

from __future__ import annotations

from collections.abc import Mapping

from detector.conditions import Kind
from detector.messages import Cause, Status
from detector.network.bundle import Card

_LONGER_S = 20.0  # than its warm-up no session takes: filters fill in three, a rate is measured in 16 s


def diagnose(
    status: Status, input_age_s: float, stall_s: float, card: Card, faults: Mapping[str, str]
) -> dict[Kind, str]:
    """Return what stands in the way of watching although samples come.

    Parameters
    ----------
    status
        What was published last.
    input_age_s, stall_s
        Seconds between now and the newest sample, and how many are too many.
    card
        Of the model, which says how many derivations it needs.
    faults
        What is wrong with which derivation; those that the source does not have are among them.
    """
    if status.cause is Cause.STALE and input_age_s <= stall_s:
        return {
            Kind.STALE: f"samples come, the newest is {input_age_s:.1f} s old, and no step is made of them: look at "
            "the load of this machine"
        }
    if status.cause is Cause.STALE:
        return {
            Kind.STALE: f"the newest sample is {input_age_s:.0f} s old, expected at most {stall_s:g} s: look at the "
            "network, the amplifier's clock and the load of this machine"
        }
    known, n = len(card.derivations), status.good_channels
    if status.cause is not Cause.POOR and (status.cause is not None or n >= known):
        return {}
    listed = ", ".join(f"{name} {fault}" for name, fault in faults.items())
    if status.cause is Cause.POOR:
        return {
            Kind.POOR: f"{n} of {known} derivations can be trusted, expected at least {card.min_derivations} "
            f"({listed}): look at the electrodes"
        }
    return {
        Kind.DEGRADED: f"{n} of {known} derivations can be trusted, and {card.min_derivations} are enough "
        f"({listed}): look at the electrodes"
    }


class Settling:
    """Notices that samples come and nothing is watched because the warm-up does not end."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    def look(self, status: Status | None, warm_up_s: float, now_s: float) -> dict[Kind, str]:
        """Return what is wrong, if it is.

        Parameters
        ----------
        status
            What was published last; ``None`` where no samples come.
        warm_up_s
            How long nothing is said after a session's start.
        now_s
            The clock now, s.
        """
        if status is None or status.cause not in (Cause.WARMUP, Cause.VALIDATING):
            self._since_s = None
            return {}
        self._since_s = now_s if self._since_s is None else self._since_s
        lasts_s, expected_s = now_s - self._since_s, warm_up_s + _LONGER_S
        if lasts_s <= expected_s:
            return {}
        return {
            Kind.UNSETTLED: f"samples have come for {lasts_s:.0f} s and nothing is watched yet, expected after at most "
            f"{expected_s:.0f} s: sessions begin anew again and again, or the rate of the samples does not settle; the "
            "session-reset markers say why"
        }
