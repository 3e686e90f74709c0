"""The outlets of a bed: contract v1, the only thing that other programs see of the detector."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pylsl

from detector.errors import DetectorError
from detector.json_text import json_text
from detector.lsl_setup import stream_ports
from detector.messages import Condition, Event, State, Status
from detector.sinks.identity import OutletIdentity

log = logging.getLogger(__name__)

CONTRACT_VERSION = 1
DETAIL_SCHEMA = 1
SOURCE_ID_PREFIX = "seizure-detector:"

# Label and unit of each channel. MNE-LSL reads a unit that it does not know as volts, so "none" is written.
STATUS_CHANNELS = (
    ("probability", "none"),
    ("state", "none"),
    ("good_channels", "count"),
    ("input_age", "seconds"),
    ("missing_samples", "count"),
    ("burden", "none"),
)

# What a slow or stopped reader may cost of our memory (LSL takes x100 samples where the rate is irregular).
BUFFER_S = 60

# Destroying an outlet drops what its readers have not pulled yet. The last marker reached its reader in 1 of
# 12 closes without a pause, always with 0.01 s if it blocks in its pull, and with 0.3 s also if it polls.
LINGER_S = 0.3

# A reader that subscribes late has the settings of a bed after so long: metadata cannot change, and nothing else of an
# outlet comes to those who were not there.
SETTINGS_S = 30.0

# A stamp further ahead of this clock was a mistake of the source; it must not silence the status for ever.
FUTURE_S = 5.0


class LslOutlets:
    """Publish markers, status and, where asked for, detail and codes.

    All times are sample times in seconds on this machine's LSL clock. Pushing never waits for a reader.

    Parameters
    ----------
    config
        Names and metadata, see `OutletIdentity`.

    Raises
    ------
    DetectorError
        liblsl could not open an outlet (for example, all its ports are taken).
    """

    def __init__(self, config: OutletIdentity) -> None:
        self.config = config
        self._settings: Mapping[str, float] = {}
        self._settings_s = -math.inf
        self._last: Status | None = None
        self._last_s, self._last_age_s = -math.inf, math.nan
        self._outlets = {"events": self._open("events", "Markers", "string", (("event", "none"),))}
        if config.detail:
            self._outlets["detail"] = self._open("detail", "Metadata", "string", (("detail", "none"),))
        if config.codes:
            self._outlets["codes"] = self._open("codes", "Markers", "int32", (("state", "none"),))
        self._outlets["status"] = self._open("status", "Probability", "float32", STATUS_CHANNELS, config.status_rate_hz)

    def push_marker(self, text: str, time_s: float) -> None:
        """Send ``text`` on the events outlet, stamped with the sample time at which it was declared."""
        self._outlets["events"].push_sample([text], _stamp(time_s))

    def push_code(self, state: State, time_s: float) -> None:
        """Send the code of ``state`` on the codes outlet, where there is one."""
        if "codes" in self._outlets:
            self._outlets["codes"].push_sample([int(state)], _stamp(time_s))

    def push_detail(self, payload: Mapping[str, Any], time_s: float = math.nan) -> None:
        """Send ``payload`` as JSON with its ``schema`` version on the detail outlet, where there is one.

        What is not a finite number becomes null. Without ``time_s`` it is stamped with the current LSL time.
        """
        if "detail" in self._outlets:
            text = json_text({"schema": DETAIL_SCHEMA, **payload})
            self._outlets["detail"].push_sample([text], _stamp(time_s))

    def tell_settings(self, settings: Mapping[str, float]) -> None:
        """Send what the bed is decided by on the detail outlet, where there is one; now, and again with the status."""
        self._settings = dict(settings)
        self._push_settings(float(pylsl.local_clock()))

    def _push_settings(self, now_s: float) -> None:
        self._settings_s = now_s
        self.push_detail({"kind": "settings", "decision": self._settings, "emitted": now_s}, now_s)

    def push_event(self, event: Event, now_s: float) -> None:
        """Send what became of a seizure on the detail outlet; ``now_s`` is when it is said, on this LSL clock."""
        payload = {
            "kind": "seizure",
            "event_id": f"{self.config.bed}-{event.id}",
            "onset": event.onset_s,
            "declared": event.declared_s,
            "offset": event.offset_s,
            "emitted": now_s,
            "outcome": event.outcome,
            "peak_probability": event.peak_probability,
            "model_id": self.config.model_id,
            "model_sha256": self.config.model_sha256,
        }
        self.push_detail(payload, event.declared_s if event.offset_s is None else event.offset_s)

    def push_condition(self, condition: Condition, now_s: float) -> None:
        """Send a technical condition on the detail outlet; ``now_s`` is when it is said, on this LSL clock."""
        payload = {
            "kind": "condition",
            "condition": condition.kind,
            "priority": condition.priority,
            "text": condition.text,
            "since": condition.since_s,
            "count": condition.count,
            "cleared": condition.cleared_s,
            "emitted": now_s,
        }
        self.push_detail(payload, now_s)

    def push_status(self, status: Status, input_age_s: float) -> None:
        """Send one step on the status outlet. It is always sent, and stamps never go backwards.

        A status that is older than the last one (its samples came late) is stamped as that one was. The one exception:
        a stamp that ran ahead of this clock by more than `FUTURE_S` was wrong, and the next sound one stands.

        With ``repeat_hz`` the step before is held until this one, so that nothing is said earlier than it was
        declared; but the seconds before a not-monitoring say not-monitoring.

        Parameters
        ----------
        status
            What was decided; ``status.time_s`` is the stamp.
        input_age_s
            Seconds between now and the newest sample of the source; NaN where there was none yet.
        """
        now_s = float(pylsl.local_clock())
        if self._settings and now_s - self._settings_s >= SETTINGS_S:
            self._push_settings(now_s)
        time_s = status.time_s if _is_time(status.time_s) else now_s
        if time_s < self._last_s and not time_s <= now_s + FUTURE_S < self._last_s:
            time_s = self._last_s
        outlet = self._outlets["status"]
        last, step_s = self._last, self.config.step_s
        if self.config.repeat_hz and last is not None and 0 < time_s - self._last_s <= 2 * step_s:
            n = max(1, round((time_s - self._last_s) * self.config.repeat_hz))
            stamps = np.linspace(self._last_s, time_s, n + 1)[1:-1]
            held = status if status.state is State.NOT_MONITORING else last
            age_s = input_age_s if held is status else self._last_age_s
            for stamp in stamps:
                outlet.push_sample(_values(held, age_s), float(stamp))
        outlet.push_sample(_values(status, input_age_s), time_s)
        self._last, self._last_s, self._last_age_s = status, time_s, input_age_s

    def close(self) -> None:
        """Take the outlets off the network, once their readers had `LINGER_S` to fetch what was sent last."""
        if any(outlet.have_consumers() for outlet in self._outlets.values()):
            time.sleep(LINGER_S)
        self._outlets.clear()

    def _open(
        self, kind: str, type_: str, form: str, channels: tuple[tuple[str, str], ...], rate_hz: float = 0.0
    ) -> pylsl.StreamOutlet:
        config = self.config
        info = pylsl.StreamInfo(
            name=f"{config.bed}-{kind}",
            type=type_,
            channel_count=len(channels),
            nominal_srate=rate_hz,
            channel_format=form,
            source_id=f"{SOURCE_ID_PREFIX}{config.bed}:{kind}",
        )
        desc = info.desc()
        desc.append_child_value("contract_version", str(CONTRACT_VERSION))
        desc.append_child_value("manufacturer", "seizure-detector")
        _append(desc, "model", id=config.model_id, sha256=config.model_sha256, step=f"{config.step_s:.9g}")
        _append(
            desc,
            "source",
            name=config.source_name,
            source_id=config.source_id,
            hostname=config.source_hostname,
        )
        derivations = _append(desc, "montage", name=config.montage).append_child("derivations")
        for label in config.derivations:
            derivations.append_child_value("derivation", label)
        _append(desc, "synchronization", offset_mean=f"{config.algorithmic_delay_s:.9g}")
        listed = desc.append_child("channels")
        for label, unit in channels:
            _append(listed, "channel", label=label, unit=unit, type="misc")
        try:
            outlet = pylsl.StreamOutlet(info, max_buffered=BUFFER_S)
        except RuntimeError as error:
            raise DetectorError(
                f"liblsl could not open the outlet {config.bed}-{kind} ({error}): look for used-up ports "
                "(BasePort and PortRange in the LSL configuration) and the limit of open files"
            ) from error
        _warn_of_port(outlet, info.name())
        return outlet


def _warn_of_port(outlet: pylsl.StreamOutlet, name: str) -> None:
    """Say where a firewall, or a peer that asks each port, will not find it; a bed is watched all the same."""
    taken = [int(port) for port in re.findall(r"<v4(?:data|service)_port>(\d+)<", outlet.get_info().as_xml())]
    ports = stream_ports()
    outside = [port for port in taken if port and port not in ports]
    if outside:
        log.warning(
            "%s is on port %d, as LSL's ports %d to %d are used up: other machines may not find it; raise PortRange in "
            "the LSL configuration, and open it in the firewall",
            name,
            outside[0],
            ports[0],
            ports[-1],
        )


def _append(parent: Any, tag: str, /, **values: str) -> Any:
    """Append a child with these texts. XML has no control characters, and what a source says may have."""
    child = parent.append_child(tag)
    for key, value in values.items():
        child.append_child_value(key, "".join(c if c.isprintable() else "?" for c in value))
    return child


def _is_time(time_s: float) -> bool:
    """Whether LSL would take it as a time: 0 means "now" to it, and -1 "deduce it"."""
    return math.isfinite(time_s) and time_s > 0


def _stamp(time_s: float) -> float:
    """Return ``time_s``, or 0 (now) where it is not a time: a marker is never lost over its stamp."""
    return time_s if _is_time(time_s) else 0.0


def _values(status: Status, input_age_s: float) -> list[float]:
    return [
        math.nan if status.state is State.NOT_MONITORING else status.probability,
        float(status.state),
        float(status.good_channels),
        input_age_s,
        float(status.missing_samples),
        status.burden,
    ]
