"""A checkpoint is taken up exactly, or refused with its reason; half of one, or one of something else, never is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.checkpoint import FORMAT, MAX_BYTES, Checkpoint, decoded, identity, read_checkpoint
from detector.config import make_config
from detector.decision import Decision
from detector.errors import CheckpointError
from detector.loading import Loaded
from detector.messages import Cause, Chunk, Description, Event, FloatArray, Gap, Outcome, Reset, State, Status
from detector.network.bundle import Bundle
from detector.network.keras_lstm import KerasLstm
from detector.pipeline import Conditioning, Pipeline, decision_config
from detector.source.synthetic import SyntheticConfig, SyntheticEeg
from tests.bundles import tiny_bundle
from tests.signals import RATE_HZ, cut, describe, deterministic, whole

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


def small(**state: Any) -> Checkpoint:
    return Checkpoint({"model": "m"}, 12.5, "abc", {"ledger": {"last": 0.1}}, {"values": [1.0, None, "x"], **state})


# The file.


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "b.checkpoint"
    path.write_bytes(small().encoded())
    assert read_checkpoint(path) == small()


def test_where_there_is_none_there_is_none(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "nowhere" / "b.checkpoint") is None


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"cannot read {tmp_path}: Is a directory"):
        read_checkpoint(tmp_path)


def test_a_truncated_file_is_refused_wherever_it_ends() -> None:
    data = small().encoded()
    for end in range(len(data)):
        with pytest.raises(CheckpointError, match=r"does not begin as|damaged"):
            decoded(data[:end])


def test_a_file_with_a_flipped_bit_is_refused_wherever_it_is() -> None:
    data = small().encoded()
    for place in range(len(data) * 8):
        spoilt = bytearray(data)
        spoilt[place // 8] ^= 1 << place % 8
        with pytest.raises(CheckpointError, match=r"does not begin as|in format|damaged"):
            decoded(bytes(spoilt))


@deterministic(200)
@given(st.binary(max_size=300))
def test_whatever_is_in_the_file_it_is_refused(data: bytes) -> None:
    for content in (data, small().encoded()[:-1] + data[:1] + data):
        with pytest.raises(CheckpointError):
            decoded(content)


def test_another_format_is_refused() -> None:
    data = small().encoded().replace(f"checkpoint {FORMAT} ".encode(), f"checkpoint {FORMAT + 1} ".encode(), 1)
    with pytest.raises(CheckpointError, match=f"in format b'{FORMAT + 1}', expected {FORMAT}"):
        decoded(data)


@pytest.mark.parametrize("value", [math.nan, math.inf, np.array([1.0, math.nan]), [[-math.inf]]])
def test_what_is_not_finite_is_not_written(value: Any) -> None:
    with pytest.raises(CheckpointError, match="not finite"):
        small(value=value).encoded()


@pytest.mark.parametrize("text", ['{"newest_s": NaN}', "[1]", "1", "{}", '{"a": 1}', "{", '"\\ud800"'])
def test_what_no_checkpoint_says_is_refused_although_it_is_whole(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.checkpoint.json.dumps", lambda *_, **__: text)
    data = small().encoded()
    with pytest.raises(CheckpointError, match="not that of a checkpoint"):
        decoded(data)


@pytest.mark.parametrize("wrong", [{"identity": []}, {"newest_s": "1"}, {"event_id": None}])
def test_fields_of_another_type_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="fields of other types"):
        decoded(replace(small(), **wrong).encoded())


def test_its_size_is_bounded(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"expected at most {MAX_BYTES}"):
        small(text="x" * MAX_BYTES).encoded()
    path = tmp_path / "b.checkpoint"
    path.write_bytes(b"x" * (MAX_BYTES + 1))
    with pytest.raises(CheckpointError, match=f"more than {MAX_BYTES} bytes"):
        read_checkpoint(path)


# Whose it is.


def through_a_file(checkpoint: Checkpoint) -> Checkpoint:
    return decoded(checkpoint.encoded())


def test_the_same_is_taken_up(loaded: Loaded, description: Description) -> None:
    now = identity(loaded, description, BOOT)
    through_a_file(replace(small(), identity=now)).require(now)


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
    loaded: Loaded, description: Description, change: Change, said: str
) -> None:
    kept = through_a_file(replace(small(), identity=identity(loaded, description, BOOT)))
    with pytest.raises(CheckpointError) as refused:
        kept.require(identity(*change(loaded, description, BOOT)))
    assert str(refused.value).startswith(said)


def test_another_version_of_the_program_is_refused(
    loaded: Loaded, description: Description, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = through_a_file(replace(small(), identity=identity(loaded, description, BOOT)))
    monkeypatch.setattr("detector.checkpoint.__version__", "9.9")
    with pytest.raises(CheckpointError, match=r"the version of the program is '9.9', in the checkpoint '"):
        kept.require(identity(loaded, description, BOOT))


def test_one_that_does_not_say_whose_it_is_is_refused(loaded: Loaded, description: Description) -> None:
    with pytest.raises(CheckpointError, match="does not say its version of the program"):
        small().require(identity(loaded, description, BOOT))


# Going on.


def interrupted(
    loaded: Loaded, description: Description, samples: FloatArray, at_s: float, hole_s: float, **first: Any
) -> list[Any]:
    """Return what is said before and after a hole, with another pipeline behind it, through a file."""
    pipeline, signal = build(loaded, description), whole(samples)
    n, behind = int(at_s * RATE_HZ), int((at_s + hole_s) * RATE_HZ)
    said: list[Any] = []
    for chunk in cut(Chunk(samples[:n], signal.timestamps[:n]), 37):
        said += pipeline.process(chunk)
    kept = through_a_file(replace(small(), newest_s=pipeline.last_s, pipeline=pipeline.get_state()))
    pipeline.reset()
    another = build(loaded, description)
    rest = Chunk(samples[behind:], signal.timestamps[behind:])
    gap = Gap(pipeline.last_s, float(rest.timestamps[0]), Reset.GAP, behind - n)
    said += kept.resume(another, gap, 30.0)
    for chunk in cut(rest, 37):
        said += another.process(chunk)
    return said


def events(said: list[Any]) -> list[Event]:
    return [x for x in said if isinstance(x, Event)]


@pytest.mark.parametrize(("at_s", "hole_s"), [(112.0, 1.0), (114.25, 6.0), (111.0, 12.0)])
def test_a_seizure_in_which_it_was_killed_stays_one_event_and_its_onset(
    loaded: Loaded, description: Description, seizure: FloatArray, at_s: float, hole_s: float
) -> None:
    expected = events([*build(loaded, description).process(whole(seizure))])
    assert [e.outcome for e in expected] == [Outcome.ONGOING, Outcome.ENDED]
    assert expected[0].declared_s < at_s
    said = interrupted(loaded, description, seizure, at_s, hole_s)
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
    loaded: Loaded, description: Description, seizure: FloatArray, at_s: float, hole_s: float
) -> None:
    quiet = np.concatenate([seizure[: 49 * 256], seizure[140 * 256 :], seizure[5 * 256 : 48 * 256]])
    said = interrupted(loaded, description, quiet, at_s, hole_s)
    assert events(said) == []
    after = [x for x in said if isinstance(x, Status) and x.time_s >= at_s + hole_s]
    assert [x.cause for x in after[:2]] == [Cause.WARMUP, None]
    assert {x.state for x in after[1:]} == {State.NON_SEIZURE}
    assert after[-1].missing_samples == int((at_s + hole_s) * 256) - int(at_s * 256)


def refused(loaded: Loaded, description: Description, seizure: FloatArray, first: Chunk | Gap, **wrong: Any) -> str:
    """Return why it is refused; whatever the reason, the pipeline is as new then."""
    pipeline = build(loaded, description)
    list(pipeline.process(whole(seizure[: KILLED_S * 256])))
    state = pipeline.get_state() | wrong
    kept = through_a_file(replace(small(), newest_s=pipeline.last_s, pipeline=state))
    another = build(loaded, description)
    with pytest.raises(CheckpointError) as error:
        kept.resume(another, first, 30.0)
    quiet = whole(seizure[: 12 * 256], start_s=200.0)
    said = list(another.process(quiet))
    assert repr(said) == repr(list(build(loaded, description).process(quiet)))
    assert isinstance(said[0], Status)
    assert said[0].cause is Cause.WARMUP
    return str(error.value)


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
    loaded: Loaded, description: Description, seizure: FloatArray, first: Chunk | Gap, why: str
) -> None:
    assert refused(loaded, description, seizure, first).startswith(why)


@pytest.mark.parametrize("part", ["conditioning", "network", "decision"])
def test_a_state_that_does_not_fit_is_refused(
    loaded: Loaded, description: Description, seizure: FloatArray, part: str
) -> None:
    first = Gap(NEWEST_S, NEWEST_S + 3, Reset.GAP, 1)
    why = refused(loaded, description, seizure, first, **{part: {"bands": {}}})
    assert why.startswith("its state does not fit: ")


def test_a_chunk_without_a_gap_before_it_goes_on_too(
    loaded: Loaded, description: Description, seizure: FloatArray
) -> None:
    pipeline = build(loaded, description)
    list(pipeline.process(whole(seizure[: KILLED_S * 256])))
    kept = replace(small(), newest_s=pipeline.last_s, pipeline=pipeline.get_state())
    [status] = kept.resume(build(loaded, description), whole(seizure[KILLED_S * 256 :], start_s=KILLED_S), 30.0)
    assert isinstance(status, Status)
    assert (status.state, status.time_s) == (State.SEIZURE, KILLED_S)
