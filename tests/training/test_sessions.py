"""Composed sessions: the truth lies where the seizure's samples are, and joints say nothing."""

from __future__ import annotations

import numpy as np
import pytest

from detector.training.sessions import FADE_S, Session, compose, compose_each, compose_plain, spoil
from tests.training.made_up import made_up_person


@pytest.mark.parametrize("seed", range(6))
def test_the_truth_lines_up_with_the_seizures_samples(seed: int) -> None:
    sessions = compose(made_up_person(5), np.random.default_rng(seed))
    assert sum(len(s.seizures) for s in sessions) >= 4
    for session in sessions:
        loud = np.abs(session.samples).max(axis=1) > 50.5
        fade = round(FADE_S * session.rate_hz)
        for i in np.flatnonzero(loud != session.ictal):
            # Only within a cross-fade may the two differ, which is at the edge of a seizure.
            assert np.any(np.diff(session.ictal[max(i - fade, 0) : i + fade].astype(int)))
        assert loud.any()


def test_a_seizure_with_its_seconds_before_and_after_is_not_touched_by_a_fade() -> None:
    person = made_up_person(2)
    second = person.seizures[1]  # its aftermath follows without a gap
    session = compose_plain(person, np.random.default_rng(0))[0]
    for onset_s, offset_s in session.seizures:
        onset, offset = round(onset_s * 256), round(offset_s * 256)
        if offset - onset > 20.6 * 256:
            found = session.samples[offset - 512 : offset + 512]
            np.testing.assert_array_equal(found[:512], second.ictal[-512:])
            np.testing.assert_array_equal(found[512:], second.after[:512])
            break
    else:
        pytest.fail("the second seizure is not in the session")


def test_every_seizure_is_there_whole_after_a_minute_where_it_is_measured() -> None:
    person = made_up_person(11)
    sessions = compose_plain(person, np.random.default_rng(3))
    lengths = sorted(b - a for s in sessions for a, b in s.seizures)
    np.testing.assert_allclose(lengths, sorted(len(s.ictal) / 256 for s in person.seizures), atol=FADE_S)
    assert min(s.seizures[0][0] for s in sessions) > 59


def test_there_are_joints_where_no_seizure_begins() -> None:
    person = made_up_person(8)
    session = compose_plain(person, np.random.default_rng(0))[0]
    # Every piece is the minute's aftermath or a part of it; made-up EEG is 1 µV except where two are faded.
    faded = (np.abs(np.abs(session.samples[:, 0]) - 1) > 1e-3) & ~session.ictal
    starts = np.flatnonzero(np.diff(faded.astype(int)) == 1)
    far = [i for i in starts if not session.ictal[max(i - 512, 0) : i + 512].any()]
    assert len(far) > 8


def test_somebody_without_seizures_gives_sessions_without() -> None:
    person = made_up_person(0)
    for sessions in (compose(person, np.random.default_rng(0)), compose_plain(person, np.random.default_rng(0))):
        assert sum(len(s.samples) for s in sessions) > 90 * 256
        assert not any(s.ictal.any() for s in sessions)


def test_sessions_begin_also_within_a_seizure() -> None:
    person = made_up_person(4)
    first = [compose(person, np.random.default_rng(seed))[0].ictal[0] for seed in range(40)]
    assert 3 < sum(first) < 30


def test_spoiling_adds_artefacts_and_changes_no_truth() -> None:
    session = Session("x", 256.0, np.zeros((256 * 600, 22), dtype=np.float32), np.zeros(256 * 600, dtype=bool))
    changed = 0
    for seed in range(8):
        spoilt = spoil(session, np.random.default_rng(seed))
        assert spoilt.samples.shape == session.samples.shape
        assert spoilt.ictal is session.ictal
        changed += bool(np.nan_to_num(spoilt.samples, nan=1).any())
    assert changed >= 6
    assert not session.samples.any()


def test_each_seizure_gets_a_session_of_its_own_in_order() -> None:
    person = made_up_person(3)
    sessions = compose_each(person, np.random.default_rng(0))
    assert [len(session.seizures) for session in sessions] == [1, 1, 1]
    for session, seizure in zip(sessions, person.seizures, strict=True):
        [(onset_s, offset_s)] = session.seizures
        assert onset_s >= 59
        assert offset_s - onset_s == pytest.approx(len(seizure.ictal) / person.rate_hz, abs=0.5)
