"""A Dask cluster of two workers on this machine, one of which can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CLUSTER = """
import os, signal, sys
from distributed import Client, LocalCluster
if __name__ == "__main__":
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None)
    with cluster, Client(cluster) as client:
        print(cluster.scheduler_address, flush=True)
        if sys.stdin.readline():
            os.kill(sorted(client.run(os.getpid).values())[0], signal.SIGKILL)
            print("killed", flush=True)
            sys.stdin.readline()
"""


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Give the address of its scheduler, and what kills one worker; ``folder`` is where it may write."""
    pytest.importorskip("distributed")
    script = folder / "cluster.py"
    script.write_text(CLUSTER)
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        cwd=folder,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def kill_one() -> None:
            stdin.write("\n")
            stdin.flush()
            assert stdout.readline() == "killed\n"

        try:
            yield stdout.readline().strip(), kill_one
        finally:
            stdin.close()
            process.wait(30)
