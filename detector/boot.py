"""Which boot of the machine this is: the LSL clock begins anew at each, so its times mean nothing in another one."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "SEIZURE_DETECTOR_BOOT_ID"
_KERNEL = Path("/proc/sys/kernel/random/boot_id")


def boot_id(environment: Mapping[str, str] = os.environ) -> str:
    """Return the kernel's boot id, 32 hexadecimal digits.

    ``ProcSubset=pid`` hides the kernel's file from a unit, which passes the id by
    ``Environment=SEIZURE_DETECTOR_BOOT_ID=%b``. Where neither is there the id is a new one, so that no time of before
    is ever compared with one of now.
    """
    given = environment.get(VARIABLE, "")
    if not given:
        try:
            given = _KERNEL.read_text(encoding="ascii")
        except OSError:
            given = uuid.uuid4().hex
    return given.strip().replace("-", "")
