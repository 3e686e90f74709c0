"""The whole road: chunks of any size, with gaps and faults among them, say the same; nothing is said untruly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.conditioning.montage import MONTAGES
from detector.decision import Decision
from detector.errors import ConfigError, StateError
from detector.messages import (
    Cause,
    Chunk,
    Decided,
    Event,
    Features,
    FloatArray,
    Gap,
    Probability,
    Reset,
    SessionReset,
    State,
    Status,
)
from detector.network.bundle import Card
from detector.network.keras_lstm import KerasLstm
from detector.pipeline import Conditioning, Network, Pipeline, decision_config
from detector.source.synthetic import SyntheticConfig, SyntheticEeg
from tests.bundles import tiny_bundle
from tests.signals import SIZES, cut, describe, deterministic, noise, whole

CHB = MONTAGES["chb-mit-22"]


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return tiny_bundle(tmp_path_factory.mktemp("bundle")).card


@pytest.fixture(scope="module")
def lstm(tmp_path_factory: pytest.TempPathFactory) -> KerasLstm:
    return KerasLstm(tiny_bundle(tmp_path_factory.mktemp("network")))


@pytest.fixture(scope="module")
def seizure() -> FloatArray:
    """Two minutes with a seizure from 50 to 80 s."""
    eeg = SyntheticEeg(SyntheticConfig(duration_s=120, seizures=((50, 80),)))
    return np.concatenate([m.samples for m in eeg.messages() if isinstance(m, Chunk)])


class Remembers:
    """A network without TensorFlow: a leaking sum of its features, at most ``highest``."""

    def __init__(self, highest: float = 1.0) -> None:
        self.value, self.highest = 0.0, highest

    def process(self, features: list[Features]) -> list[Probability]:
        out = []
        for f in features:
            self.value += 0.2 * (self.highest * float(np.tanh(np.abs(f.values).mean())) - self.value)
            out.append(Probability(self.value, f.good, f.end_s, f.missing))
        return out

    def reset(self) -> None:
        self.value = 0.0


def build(card: Card, network: Network, rate_hz: float = 256.0, labels: Sequence[str] = CHB) -> Pipeline:
    return Pipeline(Conditioning(card, describe(labels, rate_hz)), network, Decision(decision_config(card)))


def run(pipeline: Pipeline, messages: Sequence[Chunk | Gap], sizes: int | list[int]) -> list[Decided]:
    said: list[Decided] = []
    for message in messages:
        for part in cut(message, sizes) if isinstance(message, Chunk) else [message]:
            said += pipeline.process(part)
    return said


def statuses(said: Sequence[Decided]) -> list[Status]:
    return [x for x in said if isinstance(x, Status)]


def assert_same(said: Sequence[Decided], expected: Sequence[Decided]) -> None:
    """All the same but for rounding, and for the count of held samples, which is known by chunk only."""
    assert [type(x) for x in said] == [type(x) for x in expected]
    for one, other in zip(said, expected, strict=True):
        if isinstance(one, Status) and isinstance(other, Status):
            np.testing.assert_allclose(one.probability, other.probability, atol=1e-5)
            one, other = (replace(x, probability=math.nan, missing_samples=0) for x in (one, other))
            assert repr(one) == repr(other)
        elif isinstance(one, Event) and isinstance(other, Event):
            np.testing.assert_allclose(one.peak_probability, other.peak_probability, atol=1e-5)
            assert replace(one, peak_probability=0) == replace(other, peak_probability=0)
        else:
            assert one == other


@pytest.mark.parametrize("size", SIZES)
def test_the_size_of_the_chunks_changes_no_probability_and_no_event(
    card: Card, lstm: KerasLstm, seizure: FloatArray, size: int
) -> None:
    expected = run(build(card, lstm), [whole(seizure)], 10**6)
    assert len([x for x in expected if isinstance(x, Event)]) == 2
    assert_same(run(build(card, lstm), [whole(seizure)], size), expected)


fault = st.tuples(
    st.integers(0, 22 * 256),
    st.integers(1, 1000),
    st.sampled_from([0.0, np.nan, np.inf, 1e30, 1e-42, 300.0]),
    st.sampled_from([slice(None), slice(3, 4), slice(0, 10)]),
)


@deterministic(30)
@given(
    st.lists(st.integers(1, 900), min_size=1, max_size=5),
    st.lists(fault, max_size=4),
    st.lists(st.integers(1, 22 * 256), max_size=2),
    st.sampled_from([256.0, 250.0, 512.0]),
)
def test_the_size_of_the_chunks_changes_nothing_whatever_is_wrong_with_the_signal(
    card: Card, sizes: list[int], faults: list[tuple[int, int, float, slice]], gaps: list[int], rate_hz: float
) -> None:
    samples = noise(24 * 256)
    for begin, length, value, columns in faults:
        samples[begin : begin + length, columns] = value
    signal = whole(samples, rate_hz)
    messages: list[Chunk | Gap] = []
    for begin, end in zip([0, *sorted(gaps)], [*sorted(gaps), len(samples)], strict=True):
        messages += [Chunk(samples[begin:end], signal.timestamps[begin:end]), Gap(math.nan, math.nan, Reset.GAP, 9)]
    expected = run(build(card, Remembers(), rate_hz), messages, 10**6)
    assert len(expected) > 2
    assert_same(run(build(card, Remembers(), rate_hz), messages, sizes), expected)


def test_the_probabilities_rise_in_the_seizure_only(card: Card, lstm: KerasLstm, seizure: FloatArray) -> None:
    said = statuses(run(build(card, lstm), [whole(seizure)], 1000))
    inside = [x.probability for x in said if 62 < x.time_s < 78]
    outside = [x.probability for x in said if 12 < x.time_s < 45 or x.time_s > 95]
    assert min(inside) > max(outside)
    assert [x.state for x in said if x.time_s > 95] == [State.NON_SEIZURE] * sum(x.time_s > 95 for x in said)


def test_a_gap_makes_everything_as_new(card: Card, lstm: KerasLstm, seizure: FloatArray) -> None:
    part = whole(seizure[: 30 * 256])
    pipeline = build(card, lstm)
    fresh = run(pipeline, [part], 64)
    run(pipeline, [whole(seizure)], 64)
    (boundary,) = pipeline.process(Gap(120.0, math.nan, Reset.BACKWARDS))
    assert boundary == SessionReset(120.0, Reset.BACKWARDS)
    assert_same([x for x in run(pipeline, [part], 64) if isinstance(x, Status)], fresh)


def test_a_gap_that_does_not_know_its_start_takes_the_newest_sample(card: Card) -> None:
    pipeline = build(card, Remembers())
    list(pipeline.process(whole(noise(100), start_s=7.0)))
    (boundary,) = pipeline.process(Gap(math.nan, math.nan, Reset.LOST))
    assert isinstance(boundary, SessionReset)
    assert boundary.time_s == 7.0 + 99 / 256


def spoil(samples: FloatArray, columns: slice, value: float) -> FloatArray:
    spoilt = samples.copy()
    spoilt[20 * 256 :, columns] = value
    return spoilt


@pytest.mark.parametrize("value", [0.0, np.nan, 1e30])
def test_on_too_few_good_channels_non_seizure_is_not_said(card: Card, value: float) -> None:
    samples = noise(40 * 256)
    masked = statuses(run(build(card, Remembers(0.3)), [whole(spoil(samples, slice(0, 6), value))], 32))
    assert [x.cause for x in masked if x.time_s > 11] == [None] * sum(x.time_s > 11 for x in masked)
    assert masked[-1].good_channels == 16
    poor = statuses(run(build(card, Remembers(0.3)), [whole(spoil(samples, slice(0, 7), value))], 32))
    late = [x for x in poor if x.time_s > 22.3]
    assert len(late) > 15
    assert {x.cause for x in late} == {Cause.POOR}
    assert poor[15].state is State.NON_SEIZURE


def test_held_and_lost_samples_are_counted(card: Card) -> None:
    samples = noise(20 * 256)
    samples[3000, 2] = np.nan
    pipeline = build(card, Remembers())
    said = [*pipeline.process(replace(whole(samples), missing=2)), *pipeline.process(Gap(0, 1, Reset.GAP, 50))]
    said += run(pipeline, [whole(noise(600), start_s=30.0)], 64)
    assert statuses(said)[-1].missing_samples == 53


def test_an_operator_who_contradicts_the_card_is_told(card: Card) -> None:
    assert decision_config(card, {"onset_threshold": 0.9}).onset_threshold == 0.9
    with pytest.raises(ConfigError, match="one of them may be the model card's"):
        decision_config(card, {"onset_threshold": 0.2})


def test_after_a_poisoned_network_a_gap_makes_it_usable_again(card: Card) -> None:
    class Poisoned(Remembers):
        def process(self, features: list[Features]) -> list[Probability]:
            if features and math.isnan(self.value):
                raise StateError("poisoned")
            return super().process(features)

    network = Poisoned()
    pipeline = build(card, network)
    run(pipeline, [whole(noise(2000))], 64)
    network.value = math.nan
    with pytest.raises(StateError):
        run(pipeline, [whole(noise(2000))], 64)
    list(pipeline.process(Gap(0.0, math.nan, Reset.FAULT)))
    after = statuses(run(pipeline, [whole(noise(20 * 256))], 64))
    assert after[-1].state is not State.NOT_MONITORING
