"""What of a bed outlives its process: a failure is no orderly end, and whatever fails, all else is closed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pylsl
import pytest

from detector.conditions import Kind
from detector.config import load_config
from detector.journal_schema import Row, RowKind
from detector.service import Service
from detector.sinks.journal import journal_path
from tests.journals import Bed, rows_of
from tests.test_service import LoudIsSeizure, engine_bundle

_ids = itertools.count()
Start = Callable[[], Service]


@pytest.fixture
def bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Return what starts one process of the bed after the other."""
    monkeypatch.setattr("detector.loading.load_engine", lambda _: (engine_bundle("stub", tmp_path), LoudIsSeizure()))
    monkeypatch.setattr("detector.loading.load_bundle", lambda _: engine_bundle("stub", tmp_path))
    path, name = tmp_path / "bed.toml", f"kept-{next(_ids)}"
    path.write_text(f'[bed]\nname = "{name}"\n[source]\nsource_id = "{name}"\n')
    yield lambda: Service(load_config(path), path)
    assert not pylsl.resolve_byprop("name", f"{name}-status", 1, 0.1), "an outlet was left"


def rows(service: Service) -> list[Row]:
    path = journal_path(service._config)
    assert path is not None
    return rows_of(path)


def ends_after(service: Service, turns: int, end: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    turn, left = service.turn, iter(range(turns))

    def counted() -> None:
        if next(left, None) is None:
            end()
        turn()

    monkeypatch.setattr(service, "turn", counted)


def broken() -> None:
    raise ZeroDivisionError("a mistake of ours")


def test_a_process_that_ends_by_an_error_has_not_stopped_in_an_orderly_way(
    bed: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bed()
    ends_after(first, 2, broken, monkeypatch)
    with pytest.raises(ZeroDivisionError):
        first.run()
    kinds = [row.kind for row in rows(first)]
    assert RowKind.STOP not in kinds
    [error] = [row for row in rows(first) if row.kind == RowKind.ERROR]
    assert error.facts["error"] == "ZeroDivisionError('a mistake of ours')"
    assert rows(first)[-1].facts["state"] == "not-monitoring/stopping", "what is true is said to the end"
    second = bed()
    ends_after(second, 2, second.stop, monkeypatch)
    second.run()
    kinds = [row.kind for row in rows(second)]
    assert kinds.count(RowKind.CRASH) == 1
    assert kinds[-1] == RowKind.STOP


@pytest.mark.parametrize("step", ["_say_the_end", "_end_session", "_close_control"])
def test_a_step_of_the_end_that_fails_keeps_no_other_from_being_done(
    bed: Start, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    service = bed()
    ends_after(service, 2, service.stop, monkeypatch)
    monkeypatch.setattr(service, step, broken)
    with pytest.raises(ZeroDivisionError):
        service.run()
    assert rows(service)[-1].kind == RowKind.STOP, "the journal was closed"


def test_a_reload_is_written_down_with_what_has_changed(bed: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    service = bed()
    path = service._reloading._path
    assert path is not None
    path.write_text(f"{path.read_text()}[decision]\nonset_hold_s = 7.0\n")
    service._reloading.ask()
    turn = service.turn

    def until_taken_over() -> None:
        turn()
        if service._decision.config.onset_hold_s == 7.0:
            service.stop()

    monkeypatch.setattr(service, "turn", until_taken_over)
    service.run()
    [row] = [row for row in rows(service) if row.kind == RowKind.CONFIG]
    assert row.facts["changes"] == ["[decision] onset_hold_s is 7.0, was 'card'"]
    assert row.facts["model_sha256"] == "0" * 64
    [start] = [row for row in rows(service) if row.kind == RowKind.START]
    assert row.facts["config_sha256"] != start.facts["config_sha256"]


@pytest.mark.parametrize("is_pending", [True, False])
def test_a_seizure_of_the_process_before_is_given_up_at_the_latest_when_this_one_stops(
    bed: Start, monkeypatch: pytest.MonkeyPatch, is_pending: bool
) -> None:
    monkeypatch.setattr("detector.continuity.Continuity.is_pending", lambda *_: is_pending)
    service = bed()
    path = journal_path(service._config)
    assert path is not None
    before = Bed(path)
    before.start()
    before.declare(3)
    before.crash()
    ends_after(service, 3, service.stop, monkeypatch)
    service.run()
    told = [row.facts["outcome"] for row in rows(service) if row.kind == RowKind.SEIZURE]
    assert told == ["ongoing", "unknown"]


@pytest.mark.parametrize(("resumed_id", "told"), [("seizure-3", ["ongoing"]), ("another", ["ongoing", "unknown"])])
def test_a_seizure_that_goes_on_is_not_given_up_and_any_other_is(
    bed: Start, monkeypatch: pytest.MonkeyPatch, resumed_id: str, told: list[str]
) -> None:
    monkeypatch.setattr("detector.continuity.Continuity.has_resumed", True)
    service = bed()
    path = journal_path(service._config)
    assert path is not None
    before = Bed(path)
    before.start()
    before.declare(3)
    before.crash()
    turn, turns = service.turn, itertools.count()

    def resumed() -> None:
        service._monitor.event_id = resumed_id
        turn()
        if next(turns) == 2:
            service.stop()

    monkeypatch.setattr(service, "turn", resumed)
    service.run()
    assert [row.facts["outcome"] for row in rows(service) if row.kind == RowKind.SEIZURE] == told


def test_clips_that_cannot_be_written_are_a_condition_and_the_bed_goes_on(
    bed: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    config = tmp_path / "bed.toml"
    config.write_text(f'{config.read_text()}[clips]\npath = "{tmp_path}/file/clips"\n')
    service = bed()
    turn = service.turn

    def until_told() -> None:
        turn()
        if any(condition.kind == Kind.CLIPS for condition in service.standing):
            service.stop()

    monkeypatch.setattr(service, "turn", until_told)
    service.run()
    told = [row.facts for row in rows(service) if row.kind == RowKind.CONDITION]
    [raised] = [facts for facts in told if facts["condition"] == "clips-not-written"]
    assert "let this program write in its folder" in raised["text"]
    assert rows(service)[-1].kind == RowKind.STOP


def test_a_reload_takes_over_how_clips_are_kept_and_whether(
    bed: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    service = bed()
    path, turn = service._reloading._path, service.turn
    assert path is not None
    text = path.read_text()
    wanted = iter(["keep = 7", 'path = "off"', "keep = 8"])
    seen: list[int | None] = []

    def until_all_were_taken_over() -> None:
        turn()
        kept = None if service._keeping.clips is None else service._keeping.clips.config.limits.keep
        if not seen or kept != seen[-1]:
            seen.append(kept)
            if (line := next(wanted, None)) is None:
                service.stop()
            else:
                path.write_text(f"{text}[clips]\n{line}\n")
                service._reloading.ask()

    monkeypatch.setattr(service, "turn", until_all_were_taken_over)
    service.run()
    assert seen == [500, 7, None, 8]
    assert len(service._keeping.sinks) == 2
