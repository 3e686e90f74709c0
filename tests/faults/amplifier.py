"""An amplifier in a process of its own, and the handle to it in the test's.

The process pushes in real time from its first consumer on. It reads a word from its standard input, ``corrupt`` or
``heal``, and answers with that word and the stamp of the first sample that it holds for.
"""

from __future__ import annotations

import configparser
import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pylsl

from tests.faults import corruption as corruptions
from tests.faults.corruption import Block, Corruption
from tests.faults.outlet import Outlet
from tests.live import amplifier, until

BLOCK = 16
_ANSWER_S = 30.0  # of a process that has to be started on a busy machine


def play(outlet: Outlet, electrodes: str, corruption: Corruption | None, wait: bool) -> None:
    """Push until the end of the standard input, which comes with the end of the test."""
    true_hz = outlet.true_rate_hz or outlet.rate_hz or 256.0
    eeg = outlet.signal(np.load(electrodes).astype(np.float64), np.random.default_rng(0))
    words: list[str] = []
    threading.Thread(target=_listen, args=(words,), daemon=True).start()
    lsl = outlet.open()
    print("open", pylsl.local_clock(), flush=True)
    while wait and not lsl.wait_for_consumers(1.0):
        pass
    start_s = pylsl.local_clock()
    print("start", start_s, flush=True)
    began: int | None = None  # the number of the sample with which the corruption began
    done = 0
    while True:
        numbers = np.arange(done, done + BLOCK)
        due_s = start_s + (done + BLOCK) / true_hz
        time.sleep(max(due_s - pylsl.local_clock(), 0))
        stamps = start_s + outlet.ahead_s + numbers / true_hz * (1 + outlet.drift)
        while words:
            word = words.pop(0)
            began = done if word == "corrupt" else None
            print(word, stamps[0], flush=True)
        block = Block(eeg[numbers % len(eeg)], stamps, numbers - (began or 0), true_hz)
        if began is not None and corruption is not None:
            block = corruption(block)
        _push(lsl, outlet, block)
        done += BLOCK


def _listen(words: list[str]) -> None:
    for line in sys.stdin:
        words.append(line.strip())
    os._exit(0)


def _push(lsl: pylsl.StreamOutlet, outlet: Outlet, block: Block) -> None:
    if not len(block.stamps):
        return
    values = block.samples * outlet.per_uv
    if outlet.form == "string":
        for row, stamp in zip(values, block.stamps, strict=True):
            lsl.push_sample([f"{value:.1f}" for value in row], float(stamp))
    elif outlet.form.startswith("int"):
        lsl.push_chunk(np.round(values), block.stamps.tolist())
    else:
        with np.errstate(over="ignore"):
            lsl.push_chunk(values, block.stamps.tolist())


class Amplifier:
    """The test's side of the process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._said: dict[str, float] = {}
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def opened_s(self) -> float:
        """Return when its outlet stood."""
        return self._when("open")

    def started_s(self) -> float:
        """Return the stamp of its first sample; wait until somebody listens."""
        return self._when("start")

    def corrupt(self) -> float:
        """Begin the corruption; return the stamp from which it holds."""
        return self._tell("corrupt")

    def heal(self) -> float:
        """End it; return the stamp from which all is well."""
        return self._tell("heal")

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self._listener.join()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()

    def _tell(self, word: str) -> float:
        self._said.pop(word, None)
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n".encode())
        self.process.stdin.flush()
        return self._when(word)

    def _when(self, word: str) -> float:
        until(lambda: word in self._said or self.process.poll() is not None, _ANSWER_S, f"the amplifier says {word}")
        assert word in self._said, f"the amplifier has ended with {self.process.returncode}"
        return self._said[word]

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            word, stamp = line.split()
            self._said[word.decode()] = float(stamp)


def _network_of(session: str) -> str:
    """Return our LSL configuration with another session in it."""
    ours = configparser.ConfigParser()
    ours.optionxform = str  # type: ignore[assignment,method-assign]
    ours.read(os.environ["LSLAPICFG"])
    ours["lab"]["SessionID"] = session
    text = io.StringIO()
    ours.write(text)
    return text.getvalue()


@contextmanager
def running(
    outlet: Outlet,
    electrodes: Path,
    corruption: Corruption | None = None,
    *,
    wait: bool = True,
    session: str = "",
    **variables: str,
) -> Iterator[Amplifier]:
    """Run an amplifier.

    Parameters
    ----------
    outlet, electrodes, corruption
        What it says of itself, the file with what it measures, and what becomes of that when it is told so.
    wait
        Whether its samples begin with its first consumer.
    session
        The LSL session, where it is another one than ours.
    variables
        Of its environment, beside our own.
    """
    script = (
        f"from {corruptions.__name__} import *\nfrom {Outlet.__module__} import Outlet\n"
        "from numpy import nan, inf\n"
        f"from tests.faults.amplifier import play\nplay({outlet!r}, {str(electrodes)!r}, {corruption!r}, {wait})\n"
    )
    if session:
        own = f"import pylsl\npylsl.set_config_content({_network_of(session)!r})\n"
        script = own + script
    env = {**os.environ, **variables}
    with amplifier(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as process:
        handle = Amplifier(process)
        try:
            handle.opened_s()  # limits count from here, and not from the start of a process
            yield handle
        finally:
            handle.close()
