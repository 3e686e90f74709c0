"""What a process may use, set by the kernel's control groups of either version, where the tests may make one."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_ROOT = Path("/sys/fs/cgroup")
# The file of a limit, and what it must hold, by version: https://docs.kernel.org/admin-guide/cgroup-v1/ and cgroup-v2.
LEAST_QUOTA_US, MOST_PERIOD_US = 1_000, 1_000_000  # that the kernel takes
PERIOD_US = 100_000  # the kernel's own, and that of systemd's CPUQuota


def _group(controller: str) -> Path | None:
    """Return a group that is not there yet, of this controller; ``None`` where none can be made."""
    for parent in (_ROOT / controller, _ROOT):
        control = parent / "cgroup.subtree_control"
        has = controller in control.read_text().split() if control.exists() else (parent / "tasks").exists()
        if has and os.access(parent, os.W_OK) and os.geteuid() == 0:
            return parent / f"seizure-detector-{uuid.uuid4().hex[:8]}"
    return None


class Limited:
    """A group with a limit.

    Parameters
    ----------
    group
        Its folder.
    """

    def __init__(self, group: Path) -> None:
        self._group = group
        self._is_first = not (group / "cgroup.controllers").exists()

    def cpu(self, share: float) -> None:
        """Allow so much of one processor, in pieces as small as the kernel can: each makes a pause."""
        period_us = min(max(PERIOD_US, round(LEAST_QUOTA_US / share)), MOST_PERIOD_US)
        quota_us = round(share * period_us)
        if self._is_first:
            (self._group / "cpu.cfs_quota_us").write_text("-1")  # else neither may be out of proportion to the other
            (self._group / "cpu.cfs_period_us").write_text(str(period_us))
            (self._group / "cpu.cfs_quota_us").write_text(str(quota_us))
        else:
            (self._group / "cpu.max").write_text(f"{quota_us} {period_us}")

    def memory(self, n_bytes: int) -> None:
        """Allow so much memory."""
        (self._group / ("memory.limit_in_bytes" if self._is_first else "memory.max")).write_text(str(n_bytes))

    def no_more_threads(self) -> None:
        """Allow the threads that there are."""
        (self._group / "pids.max").write_text((self._group / "pids.current").read_text())

    def kills(self) -> int:
        """Return how many processes the kernel has killed for want of memory."""
        events = (self._group / ("memory.oom_control" if self._is_first else "memory.events")).read_text()
        return int(dict(line.split() for line in events.splitlines())["oom_kill"])


@contextmanager
def limited(controller: str, pid: int) -> Iterator[Limited]:
    """Put a process in a group of its own, and where it was at the end; skip, visibly, where that cannot be."""
    group = _group(controller)
    if group is None:
        pytest.skip(f"no control group for {controller} can be made here")
    lines = (line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines())
    before = next(path for _, names, path in lines if controller in names.split(",") or group.parent == _ROOT)
    group.mkdir()
    try:
        (group / "cgroup.procs").write_text(str(pid))
        yield Limited(group)
    finally:
        with contextlib.suppress(ProcessLookupError):  # it has ended
            (group.parent / before.lstrip("/") / "cgroup.procs").write_text(str(pid))
        group.rmdir()
