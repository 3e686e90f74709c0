"""What somebody says on the page changes the calibration of that patient's detector."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from starlette.testclient import TestClient

from detector.cli import commands
from detector.errors import BadDataError, MissingInputError, UsageError
from detector.messages import Priority
from detector.network.bundle import load_bundle
from detector.page.access import CHANGE_HEADER
from detector.page.alarm import Action, Alarm, AlarmKind, AlarmRow
from detector.page.store import Store
from detector.training import calibration, choosing
from detector.training.data import Data
from detector.training.fitting import Plan, train
from tests.page.test_server import Beds, client
from tests.synthetic_edf import write_edf
from tests.training.made_up import write_parent

# Keras 3.15 reads TensorFlow's variables through a protocol that NumPy 2 has replaced.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

DAY = datetime.now().replace(hour=12, minute=0, second=0, microsecond=0).timestamp() - 20 * 86400


def start_s(day: int) -> float:
    """Return when the recording of a day begins: a false alarm is at 10 to 20 s of the first."""
    return DAY + day * 86400


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ward") / "patient"
    folder.mkdir()
    for day in range(5):
        # Of the last day the reference knows nothing: what is there was missed.
        when = datetime.fromtimestamp(start_s(day))
        path = write_edf(folder / f"n{day}.edf", 80, (40.0, 65.0), start=when, seed=day)
        rows = "40\t25\tsz\n" if day < 4 else "0\t80\tbckg\n"
        path.with_name(f"n{day}_events.tsv").write_text(f"onset\tduration\teventType\n{rows}")
    return folder.parent


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_parent(folder, "general")
    return folder


@contextmanager
def page(path: Path) -> Iterator[tuple[TestClient, Store]]:
    store = Store(path)
    yield client(store, Beds()), store
    store.close()


def say(browser: TestClient, kind: str, at_s: float, alarm: str = "") -> None:
    body = {"kind": kind, "at_s": at_s, "who": "Joy", "alarm": alarm}
    answer = browser.post("/api/beds/bed1/labels", json=body, headers={CHANGE_HEADER: "1"})
    assert answer.json() == {"written": True}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(commands, [*map(str, arguments)], catch_exceptions=False)


def raise_alarm(store: Store, since_s: float) -> str:
    alarm = Alarm("bed1.seizure.1", "bed1", AlarmKind.SEIZURE, Priority.HIGH, "seizure", since_s)
    store.alarm(AlarmRow(since_s, Action.RAISED, alarm))
    store.alarm(AlarmRow(since_s + 10, Action.OVER, replace(alarm, over_s=since_s + 10)))
    return alarm.id


def test_labels_of_the_page_change_a_calibration(
    patient: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(choosing, "_SMOOTHING_S", (1.0,))
    monkeypatch.setattr(choosing, "_ONSET_HOLD_S", (0.5,))
    weights: list[float] = []

    def spy(plan: Plan, data: Data, *arguments: Any, **keys: Any) -> Any:
        weights.append(max(float(one.weight.max()) for one in data.plain))
        return train(plan, data, *arguments, **keys)

    monkeypatch.setattr(calibration, "train", spy)
    file, review = tmp_path / "page.sqlite", tmp_path / "review.tsv"
    with page(file) as (browser, store):
        say(browser, "false-alarm", start_s(0) + 10, raise_alarm(store, start_s(0) + 10))
        say(browser, "missed-seizure", start_s(4) + 66)
    made = run("labels", "--bed", "bed1", "--page-file", file, "--patient", patient, "--output", review)
    assert "2 rows\n1 of them say when a missed seizure was told" in made.output
    assert [line.split("\t")[:4] for line in review.read_text().splitlines()[1:]] == [
        ["n0.edf", "0.000", "20.000", "false alarm"],
        ["n4.edf", "36.000", "30.000", "missed"],
    ]
    options = ("calibrate", "--bundle", models / "general", "--patient", patient, "--output", models)
    plain, found = run(*options, "--id", "plain"), run(*options, "--id", "reviewed", "--review", review)
    assert "held out in turn: 2 seizures" in plain.output
    assert "held out in turn: 3 seizures" in found.output
    assert (min(weights), max(weights)) == (1.0, 4.0)
    one, other = (load_bundle(f"{models}/{name}").card for name in ("plain", "reviewed"))
    assert (one.figures["earlier_held_out"], one.decision) != (other.figures["earlier_held_out"], other.decision)


def test_what_was_taken_back_is_no_row_and_nothing_that_is_not_used_is_kept_quiet(
    patient: Path, tmp_path: Path
) -> None:
    file, review = tmp_path / "page.sqlite", tmp_path / "review.tsv"
    with page(file) as (browser, store):
        alarm = raise_alarm(store, start_s(0) + 10)
        say(browser, "false-alarm", start_s(0) + 10, alarm)
        say(browser, "withdrawn", start_s(0) + 10, alarm)
        say(browser, "missed-seizure", start_s(1) + 70)
        say(browser, "missed-seizure", start_s(7))
    options = ("labels", "--bed", "bed1", "--page-file", file, "--patient", patient, "--output", review)
    with pytest.raises(BadDataError, match="none of 4 labels adds anything to 5 recordings"):
        run(*options)
    assert not review.exists()
    result = CliRunner().invoke(commands, [*map(str, options)])
    assert "the reference of n1.edf has a seizure from 40 to 65 s, so that nothing is added" in result.output
    assert "there is no recording of that time" in result.output


def test_a_bed_that_nobody_has_labelled_and_a_file_that_is_not_there_are_told(patient: Path, tmp_path: Path) -> None:
    file, review = tmp_path / "page.sqlite", tmp_path / "review.tsv"
    with page(file) as (browser, _):
        say(browser, "missed-seizure", start_s(4) + 66)
    options = ("labels", "--patient", patient, "--output", review)
    with pytest.raises(BadDataError, match=r"no label of bed 'bed'.*did you mean 'bed1'.*labelled are bed1"):
        run(*options, "--bed", "bed", "--page-file", file)
    with pytest.raises(BadDataError, match="no label of bed 'bed1' since 1h"):
        run(*options, "--bed", "bed1", "--page-file", file, "--since", "1h")
    with pytest.raises(MissingInputError, match="No such file"):
        run(*options, "--bed", "bed1", "--page-file", tmp_path / "none.sqlite")
    with pytest.raises(UsageError, match="expected a file in a folder that is there"):
        run("labels", "--patient", patient, "--bed", "bed1", "--output", tmp_path / "no" / "review.tsv")
