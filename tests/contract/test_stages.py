"""Each stage: the cut of its input changes nothing, reset or a gap makes it as new, another goes on with its state."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pytest

from detector.checkpoint import Checkpoint, decoded
from detector.conditioning.bands import Bands, BandsConfig
from detector.conditioning.filters import Filters, FiltersConfig
from detector.conditioning.framer import Framer, FramerConfig
from detector.conditioning.montage import MONTAGES, Montage, MontageConfig
from detector.conditioning.quality import Quality, QualityConfig
from detector.conditioning.resampler import Resampler, ResamplerConfig
from detector.conditioning.rhythm import RhythmConfig
from detector.decision import Decision, DecisionConfig
from detector.errors import CheckpointError, StateError
from detector.messages import Chunk, Event, Features, Frame, Gap, Probability, Reset, SessionReset, Status
from detector.network.bundle import Bundle
from detector.network.keras_lstm import KerasLstm
from detector.network.litert import LiteRt
from detector.pipeline import Conditioning, Pipeline, decision_config
from detector.source.synthetic import SyntheticConfig, SyntheticEeg
from tests.bundles import N_FEATURES, light_bundle
from tests.signals import SIZES, cut, describe, noise, whole

CHB = MONTAGES["chb-mit-22"]
ALL = 10**9


class Stage(Protocol):
    """The three words: construct, process, reset."""

    def process(self, message: Any, /) -> Any:
        """Take what came."""

    def reset(self) -> None:
        """Forget what was."""


@dataclass(frozen=True)
class Case:
    """A stage and what it is fed with.

    Parameters
    ----------
    takes
        ``"chunks"`` (one at a time), ``"list"`` (of messages) or ``"each"`` (one message at a time, of any number).
    gaps
        Whether it takes a `Gap`.
    goes_on
        What another one goes on with: ``"all"`` that was remembered, ``"rest"`` where it begins anew with the samples,
        or nothing.
    """

    make: Callable[[Bundle], Stage]
    signal: Callable[[], Any]
    takes: str
    gaps: bool = False
    goes_on: Literal["all", "rest", ""] = ""


def _chunk() -> Chunk:
    """Twenty seconds in which a channel goes flat and another loses samples."""
    samples = noise(5120)
    samples[1000:1600, 2] = 0
    samples[700, 5] = np.nan
    return whole(samples)


def _finite() -> Chunk:
    chunk = whole(noise(2560))
    good = np.ones(chunk.samples.shape, dtype=bool)
    good[1000:1500, 2] = False
    return Chunk(chunk.samples, chunk.timestamps, good)


def _seizure() -> Chunk:
    eeg = SyntheticEeg(SyntheticConfig(duration_s=60, seizures=((25, 50),)))
    return whole(np.concatenate([m.samples for m in eeg.messages() if isinstance(m, Chunk)]))


def _frames() -> list[Frame]:
    samples = noise(256 * 70)
    good = np.arange(22) != 4
    return [Frame(samples[i * 128 : i * 128 + 512], good, float(i)) for i in range(130)]


def _features() -> list[Features]:
    rng = np.random.default_rng(0)
    good = np.ones(22, dtype=bool)
    return [Features(rng.normal(0, 1, N_FEATURES).astype(np.float32), good, float(i)) for i in range(1100)]


def _probabilities() -> list[Probability]:
    good = np.ones(22, dtype=bool)
    wave = 0.5 + 0.5 * np.sin(np.arange(1100) / 9)
    return [Probability(float(value), good, float(i)) for i, value in enumerate(wave)]


def _pipeline(bundle: Bundle) -> Pipeline:
    conditioning = Conditioning(bundle.card, describe(CHB))
    return Pipeline(conditioning, KerasLstm(bundle), Decision(decision_config(bundle.card)))


_DECISION = DecisionConfig(1.0, 2.0, 0.7, 0.4, 2.0, 3.0, 5.0, 6.0, min_good=16, poor_seizure_s=8.0)
_BANDS = BandsConfig(256.0, 512, 128, 22, ((1.0, 4.0), (4.0, 8.0)), 60.0)
STAGES: dict[str, Case] = {
    "montage": Case(lambda _: Montage(MontageConfig("chb-mit-22", 22), describe(CHB)), _chunk, "chunks"),
    "quality": Case(lambda _: Quality(QualityConfig(256.0, 22)), _chunk, "chunks"),
    "filters": Case(lambda _: Filters(FiltersConfig(256.0, 0.5, 800.0, 70.0, (50.0,))), _finite, "chunks"),
    "resampler-250": Case(lambda _: Resampler(ResamplerConfig(250.0, 256.0)), _finite, "chunks"),
    "resampler-512": Case(lambda _: Resampler(ResamplerConfig(512.0, 256.0)), _finite, "chunks"),
    "resampler-same": Case(lambda _: Resampler(ResamplerConfig(256.0, 256.0)), _finite, "chunks"),
    "framer": Case(lambda _: Framer(FramerConfig(512, 128)), _finite, "chunks"),
    "bands": Case(lambda _: Bands(_BANDS), _frames, "list", goes_on="all"),
    "bands-rhythm": Case(
        lambda _: Bands(replace(_BANDS, power_samples=256, rhythm=RhythmConfig((1.0, 12.0), (1.5, 10.0)))),
        _frames,
        "list",
        goes_on="all",
    ),
    "keras-lstm": Case(KerasLstm, _features, "list", goes_on="all"),
    "litert": Case(LiteRt, _features, "list", goes_on="all"),
    "decision": Case(lambda _: Decision(_DECISION), _probabilities, "each", gaps=True, goes_on="all"),
    "conditioning": Case(lambda b: Conditioning(b.card, describe(CHB)), _chunk, "chunks", gaps=True, goes_on="rest"),
    "conditioning-500": Case(
        lambda b: Conditioning(b.card, describe(CHB, 500.0)), _chunk, "chunks", gaps=True, goes_on="rest"
    ),
    "pipeline": Case(_pipeline, _seizure, "chunks", gaps=True, goes_on="rest"),
}
cases = pytest.mark.parametrize("name", STAGES)
going_on = pytest.mark.parametrize("name", [name for name, case in STAGES.items() if case.goes_on])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder: Path = tmp_path_factory.mktemp("bundle")
    return light_bundle(folder)


def feed(case: Case, stage: Stage, signal: Any, size: int) -> list[list[float]]:
    """Return the numbers of everything that comes out, one row for each sample or message."""
    rows: list[list[float]] = []
    for part in _parts(case, signal, size):
        out = stage.process(part)
        for message in [out] if isinstance(out, Chunk) else out:
            rows += _rows(message)
    return rows


def _parts(case: Case, signal: Any, size: int) -> Iterator[Any]:
    if case.takes == "chunks":
        yield from cut(signal, size)
    elif case.takes == "list":
        yield from (signal[i : i + size] for i in range(0, len(signal), size))
    else:
        yield from signal


def _rows(message: Any) -> Sequence[list[float]]:
    if isinstance(message, Chunk):
        good = np.ones(message.samples.shape) if message.good is None else message.good
        return np.hstack([message.samples, good, message.timestamps[:, None]]).tolist()  # type: ignore[no-any-return]
    if isinstance(message, Frame):
        return [[*message.samples.ravel().tolist(), *message.good.tolist(), message.end_s]]
    if isinstance(message, Features):
        return [[*message.values.tolist(), *message.good.tolist(), message.end_s]]
    if isinstance(message, Probability):
        return [[message.value, message.end_s]]
    if isinstance(message, Status):
        return [[message.time_s, message.probability, message.state, message.good_channels, message.burden]]
    if isinstance(message, SessionReset):
        return [[message.time_s]]
    assert isinstance(message, Event)
    offset = math.nan if message.offset_s is None else message.offset_s
    return [[message.onset_s, message.declared_s, offset, message.peak_probability]]


def assert_same(found: list[list[float]], expected: list[list[float]]) -> None:
    assert [len(row) for row in found] == [len(row) for row in expected]
    assert len(expected) > 5, "no output, so nothing was compared"
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5, equal_nan=True)


@cases
@pytest.mark.parametrize("size", SIZES)
def test_the_cut_of_the_input_changes_nothing(bundle: Bundle, name: str, size: int) -> None:
    case = STAGES[name]
    signal = case.signal()
    assert_same(feed(case, case.make(bundle), signal, size), feed(case, case.make(bundle), signal, ALL))


@cases
def test_reset_makes_it_as_new(bundle: Bundle, name: str) -> None:
    case = STAGES[name]
    if name == "decision":
        pytest.skip("its counts and the burden outlive a session on purpose: see test_decision.py")
    signal = case.signal()
    stage = case.make(bundle)
    expected = feed(case, stage, signal, 64)
    stage.reset()
    again = feed(case, stage, signal, 64)
    if name == "pipeline":
        expected, again = ([row[:2] for row in rows] for rows in (expected, again))
    assert_same(again, expected)


@cases
def test_without_a_reset_the_past_is_remembered(bundle: Bundle, name: str) -> None:
    """So that the test before cannot pass because nothing is ever remembered."""
    case = STAGES[name]
    if name in ("montage", "resampler-same"):
        pytest.skip("has no memory")
    signal = case.signal()
    stage = case.make(bundle)
    expected = feed(case, stage, signal, ALL)
    again = feed(case, stage, signal, ALL)
    assert len(again) != len(expected) or not np.allclose(
        [x for row in again for x in row], [x for row in expected for x in row], atol=1e-5, equal_nan=True
    )


@pytest.mark.parametrize("name", [name for name, case in STAGES.items() if case.gaps])
def test_a_gap_resets(bundle: Bundle, name: str) -> None:
    case = STAGES[name]
    signal = case.signal()
    stage = case.make(bundle)
    expected = feed(case, stage, signal, 64)
    list(stage.process(Gap(0.0, math.nan, Reset.NEW_STREAM)))
    again = feed(case, stage, signal, 64)
    assert_same(again, expected)


@cases
def test_nothing_in_gives_nothing_out(bundle: Bundle, name: str) -> None:
    case = STAGES[name]
    stage = case.make(bundle)
    if case.takes == "each":
        pytest.skip("takes one message at a time")
    signal = case.signal()
    out = stage.process(Chunk(signal.samples[:0], signal.timestamps[:0]) if isinstance(signal, Chunk) else [])
    assert len(out.samples if isinstance(out, Chunk) else list(out)) == 0
    assert_same(feed(case, stage, signal, 64), feed(case, case.make(bundle), signal, 64))


def file_of(state: Any) -> bytes:
    return Checkpoint({}, 0.0, "", 0, {}, {"state": state}).encoded()


def through_a_file(state: Any) -> Any:
    return decoded(file_of(state)).pipeline["state"]


def fed(case: Case, bundle: Bundle, signal: Any) -> tuple[Any, list[list[float]]]:
    stage = case.make(bundle)
    return stage, feed(case, stage, signal, 64)


def split(case: Case, signal: Any, at: float) -> tuple[Any, Any]:
    if isinstance(signal, Chunk):
        first, rest = cut(signal, [int(at * len(signal.samples)), len(signal.samples)])
        return first, rest
    return signal[: int(at * len(signal))], signal[int(at * len(signal)) :]


@pytest.mark.parametrize("name", [name for name, case in STAGES.items() if case.goes_on == "all"])
@pytest.mark.parametrize("at", [0.01, 0.1, 0.35, 0.5, 0.77, 0.99])
def test_another_one_goes_on_with_its_state_to_the_last_bit(bundle: Bundle, name: str, at: float) -> None:
    case = STAGES[name]
    first, rest = split(case, case.signal(), at)
    stage, _ = fed(case, bundle, first)
    another: Any = case.make(bundle)
    another.set_state(through_a_file(stage.get_state()))
    expected = feed(case, stage, rest, 64)
    assert len(expected) > 0
    assert repr(feed(case, another, rest, 64)) == repr(expected)
    assert repr(feed(case, case.make(bundle), rest, 64)) != repr(expected), "there was nothing to remember"


@pytest.mark.parametrize("name", [name for name, case in STAGES.items() if case.goes_on == "rest"])
@pytest.mark.parametrize("size", SIZES)
def test_a_new_one_and_a_used_one_go_on_alike(bundle: Bundle, name: str, size: int) -> None:
    """Whatever waits in a used one for its next sample is not of the session that goes on."""
    case = STAGES[name]
    first, rest = split(case, case.signal(), 0.513)
    used, _ = fed(case, bundle, first)
    state = through_a_file(used.get_state())
    another: Any = case.make(bundle)
    another.set_state(state)
    found = feed(case, another, rest, size)
    used.set_state(used.get_state())
    assert repr(found) == repr(feed(case, used, rest, size))
    assert len(found) > 2
    assert repr(found) != repr(feed(case, case.make(bundle), rest, size)), "there was nothing to remember"


@going_on
def test_what_a_stage_does_next_does_not_change_a_state_that_was_taken(bundle: Bundle, name: str) -> None:
    case = STAGES[name]
    first, rest = split(case, case.signal(), 0.5)
    stage, _ = fed(case, bundle, first)
    state = stage.get_state()
    before = file_of(state)
    feed(case, stage, rest, 64)
    assert file_of(state) == before
    assert file_of(stage.get_state()) != before


def listed(state: Any) -> Any:
    """Return the state with lists for its arrays, which hold whatever one puts there."""
    if isinstance(state, dict):
        return {key: listed(value) for key, value in state.items()}
    if isinstance(state, list):
        return [listed(value) for value in state]
    return state.tolist() if isinstance(state, np.ndarray) else state


def leaves(state: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the container and the key of every number."""
    for key, value in state.items() if isinstance(state, dict) else enumerate(state):
        if isinstance(value, dict | list):
            yield from leaves(value)
        elif isinstance(value, np.ndarray):
            yield from ((value, index) for index in np.ndindex(value.shape) if value.dtype.kind == "f")
        elif isinstance(value, float | int) and not isinstance(value, bool):
            yield state, key


@going_on
@pytest.mark.parametrize("wrong", [math.nan, math.inf, "1", {}])
def test_a_state_with_a_wrong_value_anywhere_is_refused(bundle: Bundle, name: str, wrong: Any) -> None:
    case = STAGES[name]
    stage, _ = fed(case, bundle, split(case, case.signal(), 0.5)[0])
    kept = through_a_file(stage.get_state())
    if not isinstance(wrong, float):
        kept = listed(kept)
    places = list(leaves(kept))
    assert places
    another: Any = case.make(bundle)
    for i in range(0, len(places), max(len(places) // 25, 1)):
        spoilt = copy.deepcopy(kept)
        container, key = list(leaves(spoilt))[i]
        container[key] = wrong
        if isinstance(wrong, float):
            with pytest.raises(CheckpointError, match="not finite"):
                through_a_file(spoilt)
        with pytest.raises(StateError):
            another.set_state(spoilt)
    signal = case.signal()
    assert_same(feed(case, another, signal, 64), feed(case, case.make(bundle), signal, 64))


@going_on
def test_a_state_with_another_field_or_shape_is_refused(bundle: Bundle, name: str) -> None:
    case = STAGES[name]
    stage, _ = fed(case, bundle, split(case, case.signal(), 0.5)[0])
    state = through_a_file(stage.get_state())
    another: Any = case.make(bundle)
    for spoilt in _reshaped(state):
        with pytest.raises(StateError):
            another.set_state(spoilt)


def _reshaped(state: Any) -> Iterator[Any]:
    yield None
    yield []
    yield {}
    if isinstance(state, list):
        yield state[:-1]
        yield [*state, state[0]]
        yield [[row[:-1] for row in state[0]], *state[1:]]
        return
    yield state | {"unknown": 1}
    for name in state:
        yield {key: value for key, value in state.items() if key != name}
