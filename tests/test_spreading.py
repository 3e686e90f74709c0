"""Tasks are all done, whoever does them: one that fails, or ends its process, is the only one that has no result."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from detector.errors import DetectorError, NoStreamError, UsageError
from detector.spreading import cores, spread
from tests.live import until


def work(shared: int, task: int) -> int:
    if task < 0:
        raise ValueError(f"no such task: {task}")
    if task == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return shared + task


def wait_for_ever(shared: Path, task: int) -> int:
    (shared / f"{task}-{os.getpid()}").touch()
    if task > 0:
        threading.Event().wait()
    return task


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_every_task_has_its_own_result_or_its_own_error(jobs: int) -> None:
    tasks = [1, 2, -3, 4, -5, 6, 7, 8]
    done = dict(spread(work, 100, tasks, jobs=jobs))
    assert sorted(done) == list(range(8))
    for number, task in enumerate(tasks):
        if task > 0:
            assert done[number] == 100 + task
        else:
            assert isinstance(done[number], ValueError)
            assert str(done[number]) == f"no such task: {task}"


def test_without_a_task_nothing_is_begun() -> None:
    assert list(spread(work, 100, [], jobs=4)) == []


def test_a_task_that_ends_its_process_is_named_and_takes_no_other_with_it() -> None:
    tasks = [1, 2, 3, 0, 5, 6, 0, 8, 9]
    done = dict(spread(work, 100, tasks, jobs=2))
    assert sorted(done) == list(range(9))
    for number, task in enumerate(tasks):
        if task:
            assert done[number] == 100 + task
        else:
            assert isinstance(done[number], DetectorError)
            assert "its process was ended from outside" in str(done[number])


def test_nobody_works_on_when_no_more_is_wanted(tmp_path: Path) -> None:
    results = spread(wait_for_ever, tmp_path, [0, 1, 2], jobs=2)
    assert next(results) == (0, 0)
    until(lambda: [*tmp_path.glob("1-*")], 30, "another is at work")
    [pid] = [int(path.name.partition("-")[2]) for path in tmp_path.glob("1-*")]
    results.close()  # type: ignore[attr-defined]
    until(lambda: not is_alive(pid), 30, "it has ended")


def test_processes_end_with_the_one_that_began_them_when_it_is_killed(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from detector.spreading import spread
from tests.test_spreading import wait_for_ever
if __name__ == "__main__":
    list(spread(wait_for_ever, Path({str(tmp_path)!r}), [1, 2, 3], jobs=2))
"""
    path = tmp_path / "script.py"
    path.write_text(script)
    began = tmp_path / "1-"
    with subprocess.Popen([sys.executable, str(path)], env={**os.environ, "PYTHONPATH": str(Path.cwd())}) as parent:
        until(lambda: len([*tmp_path.glob("[12]-*")]) == 2, 60, "both are at work")
        pids = [int(one.name.partition("-")[2]) for one in tmp_path.glob("[12]-*")]
        parent.kill()
    assert not began.exists()
    until(lambda: not any(is_alive(pid) for pid in pids), 30, "they have ended")


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("detector.spreading._CONNECT_S", 0.5)
    with pytest.raises(NoStreamError, match=r"--scheduler tcp://127.0.0.1:9: no Dask scheduler answers there"):
        list(spread(work, 100, [1], scheduler="tcp://127.0.0.1:9"))


def test_without_dask_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'seizure-detector\[cluster\]'"):
        list(spread(work, 100, [1], scheduler="tcp://127.0.0.1:9"))


def test_the_cores_are_those_that_this_process_may_use() -> None:
    assert cores() == len(os.sched_getaffinity(0))
