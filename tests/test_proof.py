"""The watchdog is fed only by a loop that watches."""

from __future__ import annotations

import numpy as np
import pytest

from detector.messages import Chunk, Gap, Reset
from detector.proof import Proof


def _chunk(start_s: float, seconds: float, rate_hz: float = 256) -> Chunk:
    n = max(int(seconds * rate_hz), 1)
    return Chunk(np.zeros((n, 1), dtype=np.float32), start_s + np.arange(n) / rate_hz)


def _feed(proof: Proof, until_s: float, each_s: float, *, stepped: bool, since_s: float = 0.0) -> None:
    for k in range(int((until_s - since_s) / each_s)):
        proof.fed(_chunk(since_s + k * each_s, each_s), stepped)


def test_a_lost_signal_is_legitimate_waiting() -> None:
    proof = Proof()
    assert proof.holds(1000.0, 999.5)


@pytest.mark.parametrize("each_s", [1 / 256, 0.1, 1.0])
def test_samples_that_become_no_steps_are_no_proof_whatever_the_size_of_the_chunks(each_s: float) -> None:
    proof = Proof()
    _feed(proof, 9.0, each_s, stepped=False)
    assert proof.holds(9.0, 9.0)
    _feed(proof, 12.0, each_s, stepped=False, since_s=9.0)
    assert not proof.holds(12.0, 12.0)
    proof.fed(_chunk(12.0, 0.1), stepped=True)
    assert proof.holds(12.1, 12.0)


def test_a_session_that_begins_again_and_again_owes_no_step() -> None:
    proof = Proof()
    for k in range(20):
        _feed(proof, k + 1.0, 0.1, stepped=False, since_s=float(k))
        proof.fed(Gap(k + 0.9, k + 1.0, Reset.GAP), stepped=False)
    assert proof.holds(20.0, 20.0)


def test_a_network_that_fails_again_and_again_is_no_proof() -> None:
    proof = Proof()
    for k in range(20):
        _feed(proof, k + 1.0, 0.1, stepped=False, since_s=float(k))
        proof.fed(Gap(k + 0.9, k + 1.0, Reset.FAULT), stepped=False)
    assert not proof.holds(20.0, 20.0)


def test_a_heartbeat_that_stands_still_is_no_proof() -> None:
    proof = Proof()
    _feed(proof, 20.0, 0.1, stepped=True)
    assert proof.holds(23.0, 20.0)
    assert not proof.holds(23.1, 20.0)
