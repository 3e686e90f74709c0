"""A checkpoint is taken up where the session has gone on, to the last count; anything else is refused and named."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.checkpoint import FORMAT, Checkpoint
from detector.config import make_config
from detector.decision import Decision
from detector.errors import StateError
from detector.loading import Loaded
from detector.messages import Cause, Chunk, Decided, Description, Event, FloatArray, Gap, Outcome, Reset, State, Status
from detector.network.bundle import Bundle
from detector.network.keras_lstm import KerasLstm
from detector.pipeline import Conditioning, Pipeline, decision_config
from detector.resumption import Resumption, identity
from detector.source.synthetic import SyntheticConfig, SyntheticEeg
from tests.bundles import tiny_bundle
from tests.signals import RATE_HZ, cut, describe, whole

BOOT = "boot-1"
KILLED_S = 112  # in the middle of the seizure, when it has been declared


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    bundle = tiny_bundle(tmp_path_factory.mktemp("bundle"))
    config = make_config({"bed": {"name": "b"}, "source": {"source_id": "amp"}})
    # Short seizures are not lost in a hole: see the decision's own tests.
    return Loaded(config, bundle, KerasLstm(bundle), decision_config(bundle.card, {"poor_seizure_s": 20.0}))


@pytest.fixture(scope="module")
def description(loaded: Loaded) -> Description:
    return replace(
        describe(loaded.bundle.card.derivations), name="EEG", source_id="amp", uid="uid-1", hostname="bedside"
    )


@pytest.fixture(scope="module")
def seizure() -> FloatArray:
    """Two minutes and a half with a seizure from 50 to 130 s, which grows slowly."""
    eeg = SyntheticEeg(SyntheticConfig(duration_s=150, seizures=((50, 130),)))
    return np.concatenate([m.samples for m in eeg.messages() if isinstance(m, Chunk)])


def build(loaded: Loaded, description: Description) -> Pipeline:
    return Pipeline(Conditioning(loaded.bundle.card, description), loaded.network, Decision(loaded.decision))


class Bed:
    """A bed whose process was killed: what it wrote is read again, and what is reported noted."""

    def __init__(self, path: Path, checkpoint: Checkpoint | None, within_s: float = 30.0) -> None:
        if checkpoint is not None:
            path.write_bytes(checkpoint.encoded())
        self.reports: list[str] = []
        self.sources: list[object] = []
        self.newest_s = 0.0 if checkpoint is None else checkpoint.newest_s
        self.resumption = Resumption(path, within_s, BOOT, self.reports.append)

    def opened(self, now: dict[str, Any], age_s: float = 1.0) -> bool:
        return self.resumption.opened(now, self.sources.append, self.newest_s + age_s)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bed.checkpoint"


@pytest.fixture(scope="module")
def now(loaded: Loaded, description: Description) -> dict[str, Any]:
    return identity(loaded, description, BOOT)


def kept(now: dict[str, Any], pipeline: Pipeline, **changes: Any) -> Checkpoint:
    checkpoint = Checkpoint(now, pipeline.last_s, "an-id", 0, {"rate": "known"}, pipeline.get_state())
    return replace(checkpoint, **changes)


# Whose it is.


def test_without_a_checkpoint_nothing_is_taken_up_or_said(
    path: Path, loaded: Loaded, description: Description, now: dict[str, Any]
) -> None:
    bed = Bed(path, None)
    assert not bed.opened(now)
    assert bed.resumption.resume(build(loaded, description), Gap(0.0, 1.0, Reset.GAP)) is None
    assert bed.reports == []


def test_the_same_is_taken_up_and_its_source_goes_on(
    path: Path, loaded: Loaded, description: Description, now: dict[str, Any]
) -> None:
    bed = Bed(path, kept(now, build(loaded, description), newest_s=1.0))
    assert bed.opened(identity(loaded, description, BOOT))
    assert bed.sources == [{"rate": "known"}]
    assert bed.reports == []


def other_card(loaded: Loaded, **changes: Any) -> Loaded:
    card = loaded.bundle.card.model_copy(update=changes)
    return replace(loaded, bundle=Bundle(loaded.bundle.folder, card))


def other_source(loaded: Loaded, **changes: Any) -> Loaded:
    return replace(loaded, config=make_config({"bed": {"name": "b"}, "source": {"source_id": "amp", **changes}}))


Change = Callable[[Loaded, Description, str], tuple[Loaded, Description, str]]
DIFFERENT: list[tuple[Change, str]] = [
    (lambda d, s, b: (d, s, "boot-2"), "the boot of the machine is 'boot-2', in the checkpoint 'boot-1'"),
    (lambda d, s, b: (other_card(d, id="m2"), s, b), "the model is 'm2', in the checkpoint 'tiny-1'"),
    (lambda d, s, b: (other_card(d, files={"model.keras": "0" * 64}), s, b), "the hash of the network is '000"),
    (lambda d, s, b: (other_card(d, hop_samples=128), s, b), "the hash of the model's card is '"),
    (
        lambda d, s, b: (other_card(d, montage="tuh-tcp-22"), s, b),
        "the montage is 'tuh-tcp-22', in the checkpoint 'chb-mit-22'",
    ),
    (lambda d, s, b: (other_source(d, match="order"), s, b), "the match is 'order', in the checkpoint 'labels'"),
    (lambda d, s, b: (other_source(d, stand_ins=True), s, b), "the stand_ins is True, in the checkpoint False"),
    (
        lambda d, s, b: (replace(d, decision=replace(d.decision, onset_threshold=0.7)), s, b),
        "the decision is onset_threshold 0.7, in the checkpoint onset_threshold 0.6",
    ),
    (lambda d, s, b: (d, replace(s, uid="u2"), b), "the uid of the stream is 'u2', in the checkpoint 'uid-1'"),
    (lambda d, s, b: (d, replace(s, source_id="x"), b), "the source_id is 'x'"),
    (lambda d, s, b: (d, replace(s, name="x"), b), "the name of the stream is 'x'"),
    (lambda d, s, b: (d, replace(s, hostname="x"), b), "the hostname is 'x'"),
    (lambda d, s, b: (d, replace(s, rate_hz=512.0), b), "the rate is 512.0, in the checkpoint 256.0"),
    (
        lambda d, s, b: (d, replace(s, labels=(*s.labels[:3], "X", *s.labels[4:])), b),
        "the labels is 'X' for number 4, in the checkpoint 'P7-O1' for number 4",
    ),
    (
        lambda d, s, b: (d, replace(s, scales_uv=(1000.0, *s.scales_uv[1:])), b),
        "the scales to µV is 1000.0 for number 1, in the checkpoint 1.0 for number 1",
    ),
    (
        lambda d, s, b: (d, replace(s, labels=s.labels[:5], scales_uv=s.scales_uv[:5], units=s.units[:5]), b),
        "the labels is a list of 5, in the checkpoint a list of 22",
    ),
]


@pytest.mark.parametrize(("change", "said"), DIFFERENT)
def test_something_else_is_refused_and_named(
    path: Path, loaded: Loaded, description: Description, now: dict[str, Any], change: Change, said: str
) -> None:
    bed = Bed(path, kept(now, build(loaded, description), newest_s=1.0))
    assert not bed.opened(identity(*change(loaded, description, BOOT)))
    assert bed.sources == []
    [report] = bed.reports
    assert report.startswith(f"the checkpoint is not taken up: {said}")
    # It is tried once: not when the right one comes after all, and its state is too old for the other one.
    assert not bed.opened(now)
    assert bed.resumption.resume(build(loaded, description), Gap(1.0, 2.0, Reset.GAP)) is None
    assert len(bed.reports) == 1


def test_another_version_of_the_program_is_refused(
    path: Path, loaded: Loaded, description: Description, now: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bed = Bed(path, kept(now, build(loaded, description), newest_s=1.0))
    monkeypatch.setattr("detector.resumption.__version__", "9.9")
    assert not bed.opened(identity(loaded, description, BOOT))
    assert "the version of the program is '9.9', in the checkpoint '" in bed.reports[0]


def test_one_that_does_not_say_whose_it_is_is_refused(
    path: Path, loaded: Loaded, description: Description, now: dict[str, Any]
) -> None:
    bed = Bed(path, kept({"boot of the machine": BOOT}, build(loaded, description), newest_s=1.0))
    assert not bed.opened(now)
    assert bed.reports == ["the checkpoint is not taken up: it does not say its version of the program"]


def test_one_that_is_damaged_is_refused_and_says_so(path: Path, now: dict[str, Any]) -> None:
    path.write_bytes(f"seizure-detector checkpoint {FORMAT} 0\n{{}}".encode())
    bed = Bed(path, None)
    assert bed.reports == ["the checkpoint is not taken up: it is damaged: the checksum of its 2 bytes is another one"]
    assert not bed.opened(now)


def test_a_state_that_its_source_cannot_have_is_refused(
    path: Path, loaded: Loaded, description: Description, now: dict[str, Any]
) -> None:
    bed = Bed(path, kept(now, build(loaded, description), newest_s=1.0))

    def refuse(state: object) -> None:
        raise StateError("no such stamps")

    assert not bed.resumption.opened(now, refuse, 2.0)
    assert bed.reports == ["the checkpoint is not taken up: no such stamps"]


@pytest.mark.parametrize("age_s", [30.1, -30.1, math.nan])
def test_one_that_is_too_old_by_the_clock_is_refused_for_good_before_its_source_learns_of_it(
    path: Path, loaded: Loaded, description: Description, now: dict[str, Any], age_s: float
) -> None:
    bed = Bed(path, kept(now, build(loaded, description), newest_s=100.0))
    assert bed.resumption.is_pending(130.0)
    assert not bed.opened(now, age_s)
    assert bed.sources == []
    assert bed.reports == [
        f"the checkpoint is not taken up: its newest sample is {age_s:.1f} s old, expected 0 to 30 s"
    ]
    assert not bed.resumption.is_pending(101.0)
    assert not bed.opened(now)


def test_one_of_another_boot_is_not_waited_for(
    path: Path, loaded: Loaded, description: Description, now: dict[str, Any]
) -> None:
    bed = Bed(path, kept(now | {"boot of the machine": "boot-0"}, build(loaded, description), newest_s=100.0))
    assert not bed.resumption.is_pending(101.0), "its times are of another clock"
    [report] = bed.reports
    assert "the boot of the machine is 'boot-1', in the checkpoint 'boot-0'" in report


def test_where_another_session_has_begun_before_the_stream_came_nothing_is_taken_up(
    path: Path, loaded: Loaded, description: Description, now: dict[str, Any]
) -> None:
    bed = Bed(path, kept(now, build(loaded, description), newest_s=100.0))
    bed.resumption.forget()
    bed.resumption.forget()
    assert not bed.opened(now)
    assert bed.reports == ["the checkpoint is not taken up: another session has begun"]


# Going on.


def interrupted(
    bed: Callable[[Checkpoint], Bed],
    loaded: Loaded,
    description: Description,
    samples: FloatArray,
    at_s: float,
    hole_s: float,
) -> list[Decided]:
    """Return what is said before and after a hole, with another pipeline behind it, through a file."""
    pipeline, signal = build(loaded, description), whole(samples)
    n, behind = int(at_s * RATE_HZ), int((at_s + hole_s) * RATE_HZ)
    said: list[Decided] = []
    for chunk in cut(Chunk(samples[:n], signal.timestamps[:n]), 37):
        said += pipeline.process(chunk)
    checkpoint = kept(identity(loaded, description, BOOT), pipeline)
    pipeline.reset()
    killed, another = bed(checkpoint), build(loaded, description)
    assert killed.opened(checkpoint.identity)
    rest = Chunk(samples[behind:], signal.timestamps[behind:])
    taken_up = killed.resumption.resume(
        another, Gap(pipeline.last_s, float(rest.timestamps[0]), Reset.GAP, missing=behind - n)
    )
    assert taken_up is not None
    assert taken_up[0] == "an-id"
    assert killed.reports == [
        f"the checkpoint is taken up: {hole_s + 1 / RATE_HZ:.1f} s and {behind - n} samples were not seen"
    ]
    said += taken_up[1]
    for chunk in cut(rest, 37):
        said += another.process(chunk)
    return said


def events(said: list[Decided]) -> list[Event]:
    return [x for x in said if isinstance(x, Event)]


@pytest.mark.parametrize(("at_s", "hole_s"), [(112.0, 1.0), (114.25, 6.0), (111.0, 12.0)])
def test_a_seizure_in_which_it_was_killed_stays_one_event_and_its_onset(
    path: Path, loaded: Loaded, description: Description, seizure: FloatArray, at_s: float, hole_s: float
) -> None:
    expected = events([*build(loaded, description).process(whole(seizure))])
    assert [e.outcome for e in expected] == [Outcome.ONGOING, Outcome.ENDED]
    assert expected[0].declared_s < at_s
    said = interrupted(lambda c: Bed(path, c), loaded, description, seizure, at_s, hole_s)
    began, ended = events(said)
    assert began == expected[0]
    assert (ended.number, ended.onset_s, ended.outcome) == (1, began.onset_s, Outcome.ENDED)
    assert ended.offset_s is not None
    assert ended.offset_s == pytest.approx(expected[1].offset_s, abs=2.0)
    # From the first sample on it is said again, and without a pause until it ends.
    after = [x for x in said if isinstance(x, Status) and at_s + hole_s <= x.time_s < ended.offset_s]
    assert after[0].time_s == pytest.approx(at_s + hole_s, abs=0.01)
    assert {x.state for x in after} == {State.SEIZURE}
    # A frame after it, it is watched again.
    watched = next(x.time_s for x in after if math.isfinite(x.probability))
    assert watched - at_s - hole_s == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("hole_s", [1.0, 10.0, 29.0])
@pytest.mark.parametrize("at_s", [15.0, 30.25, 50.0])
def test_where_nothing_was_a_hole_invents_nothing(
    path: Path, loaded: Loaded, description: Description, seizure: FloatArray, at_s: float, hole_s: float
) -> None:
    quiet = np.concatenate([seizure[: 49 * 256], seizure[140 * 256 :], seizure[5 * 256 : 48 * 256]])
    said = interrupted(lambda c: Bed(path, c), loaded, description, quiet, at_s, hole_s)
    assert events(said) == []
    after = [x for x in said if isinstance(x, Status) and x.time_s >= at_s + hole_s]
    assert [x.cause for x in after[:2]] == [Cause.WARMUP, None]
    assert {x.state for x in after[1:]} == {State.NON_SEIZURE}
    assert after[-1].missing_samples == int((at_s + hole_s) * 256) - int(at_s * 256)


def refused(
    path: Path, loaded: Loaded, description: Description, seizure: FloatArray, first: Chunk | Gap, **wrong: Any
) -> str:
    """Return why it is refused; whatever the reason, the pipeline is as new then."""
    pipeline = build(loaded, description)
    list(pipeline.process(whole(seizure[: KILLED_S * 256])))
    now = identity(loaded, description, BOOT)
    checkpoint = kept(now, pipeline)
    bed = Bed(path, replace(checkpoint, pipeline=checkpoint.pipeline | wrong))
    assert bed.opened(now)
    another = build(loaded, description)
    assert bed.resumption.resume(another, first) is None
    quiet = whole(seizure[: 12 * 256], start_s=200.0)
    said = list(another.process(quiet))
    assert repr(said) == repr(list(build(loaded, description).process(quiet)))
    assert isinstance(said[0], Status)
    assert said[0].cause is Cause.WARMUP
    [report] = bed.reports
    return report.removeprefix("the checkpoint is not taken up: ")


NEWEST_S = KILLED_S - 1 / 256


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (Gap(NEWEST_S, NEWEST_S + 30.1, Reset.GAP, 1), "its newest sample is 30.1 s old, expected 0 to 30 s"),
        (Gap(NEWEST_S, NEWEST_S - 3, Reset.GAP, 1), "its newest sample is -3.0 s old"),
        (Gap(NEWEST_S, NEWEST_S, Reset.GAP, 1), "its newest sample is 0.0 s old"),
        (Gap(NEWEST_S, math.nan, Reset.GAP, 1), "its newest sample is nan s old"),
        (Gap(NEWEST_S, NEWEST_S + 3, Reset.BACKWARDS), "its stream does not go on: timestamps-backwards"),
        (Gap(NEWEST_S, NEWEST_S + 3, Reset.CLOCK), "its stream does not go on: clock-jump"),
        (Gap(NEWEST_S, math.nan, Reset.LOST), "its stream does not go on: lost"),
        (whole(np.zeros((5, 22), np.float32), start_s=200.0), "its newest sample is 88.0 s old"),
    ],
)
def test_a_hole_that_is_none_or_too_long_is_refused(
    path: Path, loaded: Loaded, description: Description, seizure: FloatArray, first: Chunk | Gap, why: str
) -> None:
    assert refused(path, loaded, description, seizure, first).startswith(why)


@pytest.mark.parametrize("part", ["conditioning", "network", "decision"])
def test_a_state_that_does_not_fit_is_refused(
    path: Path, loaded: Loaded, description: Description, seizure: FloatArray, part: str
) -> None:
    first = Gap(NEWEST_S, NEWEST_S + 3, Reset.GAP, 1)
    why = refused(path, loaded, description, seizure, first, **{part: {"bands": {}}})
    assert "expected" in why


def test_a_chunk_without_a_gap_before_it_goes_on_too(
    path: Path, loaded: Loaded, description: Description, seizure: FloatArray, now: dict[str, Any]
) -> None:
    pipeline = build(loaded, description)
    list(pipeline.process(whole(seizure[: KILLED_S * 256])))
    bed = Bed(path, kept(now, pipeline))
    assert bed.opened(now)
    taken_up = bed.resumption.resume(build(loaded, description), whole(seizure[KILLED_S * 256 :], start_s=KILLED_S))
    assert taken_up is not None
    [status] = taken_up[1]
    assert isinstance(status, Status)
    assert (status.state, status.time_s) == (State.SEIZURE, KILLED_S)


def test_a_state_that_ends_the_program_again_and_again_is_given_up(
    path: Path, loaded: Loaded, description: Description, now: dict[str, Any]
) -> None:
    pipeline = build(loaded, description)
    checkpoint = kept(now, pipeline, newest_s=100.0)
    for times in range(5):
        bed = Bed(path, checkpoint)
        assert bed.opened(now)
        assert bed.resumption.resume(pipeline, Gap(100.0, 105.0, Reset.GAP)) is not None
        assert bed.resumption.count(164.9) == times + 1
        assert bed.resumption.count(165.0) == 0, "it has lived for a minute"
        checkpoint = replace(checkpoint, resumptions=bed.resumption.count(110.0))
    bed = Bed(path, checkpoint)
    assert not bed.opened(now)
    assert bed.resumption.count(110.0) == 0
    assert bed.reports == ["the checkpoint is not taken up: it was taken up 5 times in a row and never lived for 60 s"]
