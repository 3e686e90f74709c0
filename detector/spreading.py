"""Tasks that share nothing, spread over this machine's processes or over the workers of a Dask cluster.

Whatever does them, and however many there are, the results are the same; only their order is not.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from typing import Any, TypeVar

from detector import __version__
from detector.errors import DetectorError, NoStreamError, UsageError

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Result = TypeVar("Result")
Work = Callable[[Shared, Task], Result]
Done = Iterator[tuple[int, Result | Exception]]

_CONNECT_S = 10.0
_AHEAD = 4  # tasks a cluster's thread has been given beside the one it is at
_LARGE = 1_000_000  # bytes: what is larger is brought to each worker once, and not with each task


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(
    work: Work[Shared, Task, Result],
    shared: Shared,
    tasks: Sequence[Task],
    *,
    jobs: int = 1,
    scheduler: str | None = None,
) -> Done[Result]:
    """Yield the number of each task with what ``work(shared, task)`` returned, or what it failed by, as they are done.

    Parameters
    ----------
    work
        A function of a module, as it is called in other processes, and in several threads of them on a cluster.
    shared
        What is the same for all tasks.
    tasks
        What is to be done; like all else here it must be possible to pickle.
    jobs
        At a time, each in a process of its own; one is done in this process.
    scheduler
        Address of a Dask cluster that does it instead.

    Raises
    ------
    UsageError
        When Dask is not installed.
    NoStreamError
        When no scheduler answers, or it has no workers.
    DetectorError
        When its workers do not have this version of the program.
    """
    if scheduler is not None:
        yield from _on_cluster(work, shared, tasks, scheduler)
    elif jobs > 1 and len(tasks) > 1:
        yield from _in_processes(work, shared, tasks, min(jobs, len(tasks)))
    else:
        for number, task in enumerate(tasks):
            yield number, _tried(work, shared, task)


def _tried(work: Work[Shared, Task, Result], shared: Shared, task: Task) -> Result | Exception:
    try:
        return work(shared, task)
    except Exception as error:  # noqa: BLE001 - of one task: whoever asked is told, and the others go on
        return error


# Processes of this machine.


def _in_processes(work: Work[Shared, Task, Result], shared: Shared, tasks: Sequence[Task], jobs: int) -> Done[Result]:
    waiting, suspects = deque(range(len(tasks))), deque[int]()
    while waiting or suspects:
        # Whoever was at work when a process was ended from outside is tried again alone: then it is known which it was.
        alone = bool(suspects)
        left, at_once = (suspects, 1) if alone else (waiting, jobs)
        running: dict[Future[Result | Exception], int] = {}
        with _Pool(work, shared, at_once) as pool:
            try:
                while left or running:
                    while left and len(running) < at_once:
                        running[pool.submit(_in_worker, tasks[left[0]])] = left[0]
                        left.popleft()
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        result = future.result()
                        yield running.pop(future), result
            except BrokenProcessPool:
                if alone and running:
                    yield running.popitem()[1], DetectorError("its process was ended from outside: out of memory?")
                suspects.extend(running.values())


class _Worker:
    """What a process of its own has been given."""

    work: Work[Any, Any, Any]
    shared: Any


class _Pool(ProcessPoolExecutor):
    """Processes that end with this one, and at once when it wants no more of them."""

    def __init__(self, work: Work[Any, Any, Any], shared: Any, jobs: int) -> None:
        context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
        wanted, self._wants = context.Pipe(duplex=False)
        super().__init__(jobs, context, _begin_worker, (wanted, work, shared))

    def __exit__(self, *_: object) -> None:
        self._wants.close()
        self.shutdown(wait=True, cancel_futures=True)


def _begin_worker(wanted: Connection, work: Work[Any, Any, Any], shared: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: it is for the process that began this one
    end_with_parent(wanted)
    _Worker.work, _Worker.shared = work, shared


def end_with_parent(wanted: Connection | None = None) -> None:
    """Leave when the process that began this one is killed, or closes the other end: nobody wants its results."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    ends: list[Any] = [parent.sentinel] if wanted is None else [parent.sentinel, wanted]

    def leave() -> None:
        wait_for(ends)
        os._exit(1)

    threading.Thread(target=leave, daemon=True).start()


def _in_worker(task: Any) -> Any:
    return _tried(_Worker.work, _Worker.shared, task)


# Workers of a cluster.


def _on_cluster(work: Work[Shared, Task, Result], shared: Shared, tasks: Sequence[Task], address: str) -> Done[Result]:
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise UsageError("--scheduler needs Dask: pip install 'seizure-detector[cluster]'") from error
    try:
        client = Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise NoStreamError(f"--scheduler {address}: no Dask scheduler answers there ({error})") from error
    with client:
        n_threads = _require_same(client, address)
        given = client.scatter(shared, broadcast=True) if len(pickle.dumps(shared)) > _LARGE else shared
        left = deque(range(len(tasks)))
        running: dict[str, int] = {}

        def submit() -> Any:
            number = left.popleft()
            # Not pure: the same task may be asked for again, and its input may be another one then.
            future = client.submit(_tried, work, given, tasks[number], pure=False)
            running[future.key] = number
            return future

        first = [submit() for _ in range(min(len(left), (1 + _AHEAD) * n_threads))]
        done = as_completed(first, loop=client.loop, raise_errors=False)
        for future in done:
            number = running.pop(future.key)
            # A worker that is lost takes its tasks to another one; one that loses several workers has an error here.
            failure = future.exception()
            if left:
                done.add(submit())
            yield number, future.result() if failure is None else failure


def _require_same(client: Any, address: str) -> int:
    """Return how many threads the workers have."""
    try:
        versions = client.run(_version)
    except Exception as error:
        raise DetectorError(f"the workers of {address} cannot run this program ({error!r}): install it") from error
    if not versions:
        raise NoStreamError(f"--scheduler {address}: it has no workers; start some with `dask worker {address}`")
    for worker, version in versions.items():
        if version != __version__:
            raise DetectorError(f"the worker {worker} has version {version} of the program, expected {__version__}")
    return sum(client.nthreads().values())


def _version() -> str:
    return __version__
