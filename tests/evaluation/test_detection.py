"""A bundle on a data set says what `score` says, recording by recording."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detector.errors import BadDataError, MissingInputError
from detector.evaluation.detection import detect
from detector.evaluation.events import tallied
from detector.evaluation.intervals import draws
from detector.evaluation.operating import operating_curve
from detector.network.bundle import Bundle
from detector.network.model import Model
from detector.pipeline import Network
from detector.scoring import score
from detector.source.recording import open_recording
from detector.training.labelled import DataSet, Labelled, Problem
from tests.bundles import tiny_bundle
from tests.synthetic_edf import write_edf

# Keras, when it saves the bundle that is tested with.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SEIZURE = (20.0, 40.0)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return tiny_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def model(bundle: Bundle) -> Model:
    return Model.of(str(bundle.folder))


@pytest.fixture(scope="module")
def network(bundle: Bundle) -> Network:
    from detector.network.keras_lstm import KerasLstm

    return KerasLstm(bundle)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    folder = tmp_path_factory.mktemp("data")
    for name in ("a", "b"):
        (folder / name).mkdir()
    recordings = (
        Labelled("a", write_edf(folder / "a" / "1.edf", 60, SEIZURE), (SEIZURE,)),
        Labelled("a", write_edf(folder / "a" / "2.edf", 60, SEIZURE, holes=((38, 20),)), ()),
        Labelled("b", write_edf(folder / "b" / "1.edf", 40), ()),
    )
    return DataSet("made up", folder, recordings)


def test_it_says_what_score_says(data: DataSet, model: Model, bundle: Bundle, network: Network) -> None:
    told: list[tuple[str, float]] = []
    found = detect(data, model, on_progress=lambda name, share: told.append((name, share)))
    assert [(pair.name, pair.person) for pair in found.pairs] == [("a/1.edf", "a"), ("a/2.edf", "a"), ("b/1.edf", "b")]
    assert told == [("a/1.edf", 1 / 3), ("a/2.edf", 2 / 3), ("b/1.edf", 1.0)]
    for pair, one in zip(found.pairs, data.recordings, strict=True):
        expected = score(open_recording(one.path), bundle, network)
        assert pair.hypothesis == tuple((event.onset_s, event.offset_s) for event in expected.events)
        assert pair.declared_s == tuple(event.declared_s for event in expected.events)
        assert pair.steps is not None
        assert pair.steps.declared_s == pair.declared_s
        assert pair.monitored_s == expected.monitored_s
        assert pair.duration_s == expected.duration_s
        assert pair.reference == one.seizures
    assert [len(pair.hypothesis) for pair in found.pairs] == [1, 1, 0]


def test_the_bundles_own_threshold_gives_the_same_alarms_again(data: DataSet, model: Model) -> None:
    found = detect(data, model)
    curve = operating_curve(found.stored_of(["a", "b"]), found.config, draws(2, 0, 10), thresholds=(0.3, 0.95))
    own = next(point for point in curve.points if point.onset_threshold == curve.own_threshold)
    tallies = []
    for pair in found.pairs:
        assert pair.steps is not None
        assert pair.declared_s is not None
        watched = pair.steps.time_s[pair.steps.monitored]
        tallies.append(tallied(pair.declared_s, watched, pair.reference, step_s=1.0, warm_s=found.config.warm_up_s))
    assert own.detected == sum(one.detected for one in tallies) == 1
    assert own.false_alarms == sum(one.false_alarms for one in tallies) == 1
    assert own.hours == pytest.approx(sum(one.hours for one in tallies), abs=1e-12)
    assert own.latency_median_s == tallies[0].latencies_s[0]
    # And it is a curve: nothing is as sure as that.
    assert curve.points[-1].detected == 0


def bad_set(data: DataSet, *bad: Labelled, problems: tuple[Problem, ...] = ()) -> DataSet:
    return replace(data, recordings=(*bad, *data.recordings[2:]), problems=problems)


def test_an_unreadable_recording_is_named_and_stops_it(data: DataSet, model: Model, tmp_path: Path) -> None:
    broken = tmp_path / "broken.edf"
    broken.write_text("this is no EEG" * 100)
    for path, error in ((broken, BadDataError), (tmp_path / "missing.edf", MissingInputError)):
        chosen = bad_set(data, Labelled("a", path, ()))
        with pytest.raises(error, match=rf"{path.name}.*--skip-bad"):
            detect(chosen, model)
        found = detect(chosen, model, skip_bad=True)
        assert [pair.name for pair in found.pairs] == ["b/1.edf"]
        [(name, why)] = found.skipped
        assert name == str(path)
        assert str(path) in why


def test_what_the_data_set_left_out_stops_it_too(data: DataSet, model: Model) -> None:
    chosen = bad_set(data, problems=(Problem(data.folder / "c.edf", "has no reference"),))
    with pytest.raises(BadDataError, match=r"1 things cannot be used(?s:.)*c\.edf: has no reference"):
        detect(chosen, model)
    assert detect(chosen, model, skip_bad=True).skipped == [("c.edf", "has no reference")]


def test_a_seizure_outside_of_the_recording_is_an_error(data: DataSet, model: Model) -> None:
    chosen = bad_set(data, Labelled("a", data.recordings[0].path, ((50.0, 70.0),)))
    with pytest.raises(BadDataError, match=r"1\.edf: the seizure from 50 to 70 s is outside of the recording of 60 s"):
        detect(chosen, model)


def test_nothing_that_can_be_used_is_an_error(data: DataSet, model: Model) -> None:
    with pytest.raises(BadDataError, match="not one recording could be evaluated"):
        detect(replace(data, recordings=()), model, skip_bad=True)


def test_what_is_stored_is_what_the_network_said_also_in_the_warm_up(data: DataSet, model: Model) -> None:
    found = detect(data, model)
    [(stored, _), _] = found.stored["a"]
    steps = found.pairs[0].steps
    assert steps is not None
    np.testing.assert_array_equal(stored.end_s, steps.time_s)
    assert not np.isnan(stored.value).any()
    np.testing.assert_allclose(stored.value[steps.monitored], steps.probability[steps.monitored], atol=1e-7)


def test_processes_side_by_side_find_what_one_finds_in_the_same_order(data: DataSet, model: Model) -> None:
    one, several = detect(data, model), detect(data, model, jobs=2)
    assert repr(one.pairs) == repr(several.pairs)
    assert list(one.stored) == list(several.stored)
    for person, stored in one.stored.items():
        for (mine, _), (theirs, _) in zip(stored, several.stored[person], strict=True):
            assert repr(mine) == repr(theirs)
