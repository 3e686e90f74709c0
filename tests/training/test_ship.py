"""A bundle: made from a folder, checked as the daemon checks it, and the one that ships detects real seizures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from detector.decision import Decision
from detector.errors import BadDataError, BundleError, NoStreamError, UsageError
from detector.messages import Chunk, Description, Event, Probability, State, Status
from detector.network.bundle import Bundle, load_bundle
from detector.network.keras_lstm import KerasLstm
from detector.network.keras_review import KerasReview
from detector.pipeline import Conditioning, Pipeline, decision_config
from detector.source.synthetic import SyntheticConfig, SyntheticEeg
from detector.training import choosing, material
from detector.training.clips import Person, load_clips, load_eegmat
from detector.training.keras_backend import array_of, keras
from detector.training.labelled import DataSet
from detector.training.material import Terms
from detector.training.sequences import sequence_of
from detector.training.sessions import Session, compose_plain
from detector.training.ship import Order, ship, work_of
from tests.synthetic_edf import write_edf
from tests.training.made_up import RECIPE, made_up_person

# Keras 3.15 reads TensorFlow's variables through a protocol that NumPy 2 has replaced.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def network() -> KerasLstm:
    return KerasLstm(load_bundle("chb-lstm-2"))


def _watch(network: KerasLstm, session: Session) -> tuple[list[Event], list[Status]]:
    card = load_bundle("chb-lstm-2").card
    n = len(card.derivations)
    description = Description(card.derivations, session.rate_hz, (1.0,) * n, ("uV",) * n)
    pipeline = Pipeline(Conditioning(card, description), network, Decision(decision_config(card)))
    said = list(pipeline.process(Chunk(session.samples, np.arange(len(session.samples)) / session.rate_hz)))
    events = [s for s in said if isinstance(s, Event) and s.offset_s is None]
    return events, [s for s in said if isinstance(s, Status)]


@pytest.fixture
def order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Order:
    """Return an order for a small bundle from four made-up persons."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    persons = tuple(
        Person(f"p{i}", p.rate_hz, p.seizures, p.background)
        for i, p in enumerate([made_up_person(2), made_up_person(2, seed=1), made_up_person(0), made_up_person(0)])
    )
    monkeypatch.setattr(material, "find", lambda folder, _layout: DataSet("clips", folder, ()))
    monkeypatch.setattr(material, "load_persons", lambda _folder: persons)
    monkeypatch.setattr(material, "synthetic_sequences", lambda *_: [])
    monkeypatch.setattr(choosing, "_SMOOTHING_S", (1.0,))
    monkeypatch.setattr(choosing, "_ONSET_HOLD_S", (2.0,))
    return Order(tmp_path, tmp_path / "models", "tiny", "2026-01-01", folds=2, seeds=1, epochs=2)


def test_a_cluster_is_asked_where_one_is_named(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("detector.spreading._CONNECT_S", 0.5)
    with pytest.raises(NoStreamError, match="no Dask scheduler answers there"):
        ship(replace(order, scheduler="tcp://127.0.0.1:9"), RECIPE, lambda _what, _done: None)


def test_a_bundle_is_made_and_can_be_loaded_and_a_second_of_its_name_is_refused(order: Order) -> None:
    passes: list[float] = []
    bundle = ship(order, RECIPE, lambda _what, done: passes.append(done))
    assert sum(passes) == work_of(order)
    assert bundle.card.id == "tiny"
    assert bundle.card.parameters < 100_000
    engine = KerasLstm(bundle)
    plain = compose_plain(made_up_person(2), _rng())[0]
    first: list[Probability] = engine.process(sequence_of(plain, bundle.card).features)
    assert all(0 <= p.value <= 1 for p in first)
    assert [p.name for p in order.output.iterdir()] == ["tiny"]
    # The card says how it was made, and between whom the figures vary.
    command = bundle.card.training["command"]
    assert command.startswith("seizure-detector train --method stateful --id tiny --created 2026-01-01 --folds 2")
    assert "--set 'members=2'" in command
    assert bundle.card.training["recipe"]["members"] == 2
    low, high = bundle.card.figures["interval_over_persons"]["auroc_patients"]
    assert 0 <= low <= bundle.card.figures["mean_over_seeds"]["auroc_patients"] <= high <= 1
    with pytest.raises(UsageError, match="never change"):
        ship(order, RECIPE, lambda _what, _done: None)


def test_a_folder_of_recordings_becomes_a_bundle_with_the_folds_of_its_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(choosing, "_SMOOTHING_S", (1.0,))
    monkeypatch.setattr(choosing, "_ONSET_HOLD_S", (2.0,))
    folder = tmp_path / "ward"
    for name in ("p1", "p2", "p3"):
        (folder / name).mkdir(parents=True)
        eeg = write_edf(folder / name / "night.edf", 90, (40.0, 70.0), seed=int(name[1]))
        eeg.with_name("night_events.tsv").write_text("onset\tduration\teventType\n40\t30\tsz\n")
    split = tmp_path / "split.toml"
    split.write_text('format = 1\nlayout = "folder"\n[parts]\na = ["p1"]\nb = ["p2", "p3"]\n')
    order = Order(
        folder, tmp_path / "models", "own", "2026-01-01", folds=2, seeds=1, epochs=1,
        split=split, terms=Terms("CC0", "The ward itself."),
    )  # fmt: skip
    card = ship(order, RECIPE, lambda _what, _done: None).card
    [data] = card.data
    assert (data.name, data.licence, data.attribution) == ("ward", "CC0", "The ward itself.")
    assert data.persons == ("p1", "p2", "p3")
    assert card.figures["data"] == "3 recordings, 0.1 h, as folder"
    assert "--split split.toml" in card.training["command"]
    assert not any("CHB" in limit or "children" in limit for limit in card.limits)

    (folder / "p3" / "night_events.tsv").unlink()
    with pytest.raises(BadDataError, match=r"has 1 problems: .*p3/night\.edf"):
        ship(replace(order, bundle_id="again", split=None), RECIPE, lambda _what, _done: None)


def test_a_run_that_was_ended_goes_on_to_the_same_bundle(order: Order, tmp_path: Path) -> None:
    class Ended(BaseException):
        pass

    def weights(bundle: Bundle) -> list[npt.NDArray[np.float32]]:
        network = keras.models.load_model(bundle.folder / "model.keras", compile=False)
        return [array_of(v) for v in network.trainable_variables]

    whole = ship(order, RECIPE, lambda _what, _done: None)
    order = replace(order, output=tmp_path / "again", run_folder=tmp_path / "run")
    for after in ("seed 0, fold 2", "training on everybody"):

        def ended(what: str, _done: float, after: str = after) -> None:
            if what.startswith(after):
                raise Ended

        with pytest.raises(Ended):
            ship(order, RECIPE, ended)
        with pytest.raises(UsageError, match="holds a run already; go on with it by --resume"):
            ship(replace(order, resume=False), RECIPE, ended)
        order = replace(order, resume=True)
    passes: list[float] = []
    resumed = ship(order, RECIPE, lambda _what, done: passes.append(done))
    assert sum(passes) == work_of(order)
    assert all(np.array_equal(a, b) for a, b in zip(weights(whole), weights(resumed), strict=True))
    # As text: figures of what was never detected are not-a-number, which equals nothing.
    cards = [repr(bundle.card.model_dump(exclude={"files"})) for bundle in (resumed, whole)]
    assert cards[0] == cards[1]
    found = {str(path.relative_to(tmp_path / "run")) for path in (tmp_path / "run").rglob("*.*")}
    assert {"config.toml", "split.toml", "everybody/history.csv", "seed-0/fold-2/answers.npz"} <= found


def test_a_bidirectional_bundle_is_for_review_and_its_card_says_so(order: Order) -> None:
    bundle = ship(replace(order, method="bidirectional", epochs=1), RECIPE, lambda _what, _done: None)
    assert bundle.card.direction == "bidirectional"
    assert list(bundle.card.files) == ["model.keras"], "there is no light engine for review"
    assert "score --review" in bundle.card.limits[0]
    assert "--method bidirectional" in bundle.card.figures["command"]
    plain = compose_plain(made_up_person(2), _rng())[0]
    engine = KerasReview(bundle)
    steps = sequence_of(plain, bundle.card).features
    assert engine.process(steps) == []
    assert len(engine.finish()) == len(steps)
    with pytest.raises(BundleError, match="for offline review only"):
        KerasLstm(bundle)


def test_the_shipped_card_says_what_it_was_trained_on_and_cannot_do() -> None:
    card = load_bundle("chb-lstm-2").card
    assert card.parameters <= 100_000
    assert {data.licence for data in card.data} == {"ODC-By 1.0"}
    assert all(word in " ".join(d.attribution for d in card.data) for word in ("Shoeb", "Goldberger", "Zyma"))
    assert any("24 h are not known" in limit for limit in card.limits)
    assert card.figures["seizures"] > 100
    assert len(card.figures["seeds"]) >= 1


def test_the_shipped_bundle_detects_real_seizures_and_comes_back(network: KerasLstm, eeg_data: Path) -> None:
    person = next(p for p in load_clips(eeg_data) if p.name == "chb03")
    session = compose_plain(person, np.random.default_rng(0))[0]
    events, statuses = _watch(network, session)
    network.reset()
    found = [
        next((e for e in events if onset <= e.declared_s <= offset + 6), None) for onset, offset in session.seizures
    ]
    # It was trained on her, so this shows that the bundle is whole, not how well it does on strangers.
    assert len(session.seizures) == 7
    assert sum(event is not None for event in found) >= 6
    assert len(events) <= 8
    said = np.array([s.state == State.SEIZURE for s in statuses])
    assert 0.1 < said.mean() < 0.7
    assert statuses[0].state is State.NOT_MONITORING


def test_the_shipped_bundle_says_nothing_about_healthy_people(network: KerasLstm, eeg_data: Path) -> None:
    for person in load_eegmat(eeg_data)[:3]:
        events, statuses = _watch(network, compose_plain(person, np.random.default_rng(0))[0])
        network.reset()
        assert not events
        # The rest is warm-up, and the flat end that the files are padded with.
        assert sum(s.state is State.NON_SEIZURE for s in statuses) > 0.9 * len(statuses)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_shipped_bundle_detects_the_demonstrations_seizure(network: KerasLstm, seed: int) -> None:
    eeg = SyntheticEeg(SyntheticConfig(duration_s=150.0, seizures=((100.0, 120.0),), seed=seed))
    samples = np.concatenate([m.samples for m in eeg.messages() if isinstance(m, Chunk)])
    events, statuses = _watch(network, Session("synthetic", 256.0, samples, np.zeros(len(samples), dtype=bool)))
    network.reset()
    assert len(events) == 1
    assert 100 < events[0].declared_s < 116
    back = [s.time_s for s in statuses if s.time_s > 120 and s.state is State.NON_SEIZURE]
    assert back[0] < 135


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)
