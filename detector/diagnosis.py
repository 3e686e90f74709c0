"""What is wrong with the watching at this moment, in words: what came, what was expected and what to do."""

from __future__ import annotations

from collections.abc import Mapping

from detector.conditions import Kind
from detector.messages import Cause, State, Status
from detector.network.bundle import Card


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
    if status.cause is Cause.STALE:
        return {
            Kind.STALE: f"the newest sample is {input_age_s:.0f} s old, expected at most {stall_s:g} s: look at the "
            "network, the amplifier's clock and the load of this machine"
        }
    known, n = len(card.derivations), status.good_channels
    listed = ", ".join(f"{name} {fault}" for name, fault in faults.items())
    if status.cause is Cause.POOR:
        return {
            Kind.POOR: f"{n} of {known} derivations can be trusted, expected at least {card.min_derivations} "
            f"({listed}): look at the electrodes"
        }
    if status.state is not State.NOT_MONITORING and n < known:
        return {
            Kind.DEGRADED: f"{n} of {known} derivations can be trusted, and {card.min_derivations} are enough "
            f"({listed}): look at the electrodes"
        }
    return {}
