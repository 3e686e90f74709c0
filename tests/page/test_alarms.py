"""A seizure stays until somebody has acknowledged it and it is over, whatever happens to the watching meanwhile."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import UsageError
from detector.messages import Priority, State
from detector.page.alarm import Action, Alarm, AlarmKind, AlarmRow, Seen
from detector.page.alarms import Alarms
from detector.page.config import AlarmSettings, load_page_config
from tests.signals import deterministic

WATCHED, SEIZURE = Seen(State.NON_SEIZURE), Seen(State.SEIZURE)
BLIND = Seen(State.NOT_MONITORING, "the EEG stream is lost")
DEAD = Seen(None, silence_s=4.0)
UNREADABLE = Seen(None, problem="it speaks contract 7")
SETTINGS = load_page_config(None).alarms


class Log:
    """The alarms of a page, and the rows that they wrote."""

    def __init__(self, settings: AlarmSettings = SETTINGS) -> None:
        self.rows: list[AlarmRow] = []
        self.alarms = Alarms(settings, self.rows.append)
        self.now_s, self.utc_ahead_s = 1000.0, 0.0

    def see(self, *seen: Seen, bed: str = "bed1", every_s: float = 1.0) -> None:
        for one in seen:
            self.now_s += every_s
            self.alarms.see(bed, one, self.now_s, self.now_s + self.utc_ahead_s)

    def kinds(self) -> list[str]:
        return [alarm.kind for alarm in self.alarms.standing()]

    def actions(self) -> list[tuple[str, str]]:
        return [(row.alarm.kind, row.action) for row in self.rows]

    @property
    def seizure(self) -> Alarm:
        [alarm] = [alarm for alarm in self.alarms.standing() if alarm.kind.is_physiological]
        return alarm


def test_a_seizure_that_is_over_stays_until_it_is_acknowledged() -> None:
    log = Log()
    log.see(WATCHED, SEIZURE, SEIZURE, WATCHED, *[WATCHED] * 50)
    assert log.seizure.over_s == 1004.0
    log.alarms.acknowledge(log.seizure.id, " Nurse  Joy ", log.now_s)
    assert log.alarms.standing() == []
    assert log.rows[-1].alarm.acknowledged_by == "Nurse Joy"


def test_a_seizure_that_is_acknowledged_stays_until_it_is_over() -> None:
    log = Log()
    log.see(SEIZURE)
    log.alarms.acknowledge(log.seizure.id, "a", log.now_s)
    log.see(*[SEIZURE] * 50)
    assert log.kinds() == ["seizure"]
    log.see(WATCHED)
    assert log.kinds() == []


@pytest.mark.parametrize("after", [BLIND, DEAD, UNREADABLE])
def test_what_is_wrong_with_the_watching_does_not_end_a_seizure(after: Seen) -> None:
    log = Log()
    log.see(SEIZURE, *[after] * 100)
    assert log.seizure.over_s is None
    assert log.seizure.unknown_s == 1002.0
    log.see(SEIZURE)
    assert log.seizure.unknown_s is None
    log.see(WATCHED)
    assert log.seizure.over_s == log.now_s


def test_the_next_seizure_is_another_alarm() -> None:
    log = Log()
    log.see(SEIZURE, WATCHED, SEIZURE)
    assert log.kinds() == ["seizure", "seizure"]
    assert len({alarm.id for alarm in log.alarms.standing()}) == 2


def test_an_acknowledgement_is_taken_back_by_a_row_of_its_own() -> None:
    log = Log()
    log.see(SEIZURE)
    log.alarms.acknowledge(log.seizure.id, "a", log.now_s)
    log.alarms.undo(log.seizure.id, "b", log.now_s)
    assert log.seizure.acknowledged_s is None
    assert [(row.action, row.who) for row in log.rows] == [
        (Action.RAISED, ""),
        (Action.ACKNOWLEDGED, "a"),
        (Action.UNDONE, "b"),
    ]


def test_what_cannot_be_acknowledged_is_refused_with_the_reason() -> None:
    log = Log()
    log.see(SEIZURE)
    seizure = log.seizure.id
    for who in ("", "   ", "x" * 61, "a\x1b[2J"):
        with pytest.raises(UsageError, match="expected who it is"):
            log.alarms.acknowledge(seizure, who, log.now_s)
    with pytest.raises(UsageError, match="does not stand"):
        log.alarms.acknowledge("bed9.seizure.1", "a", log.now_s)
    with pytest.raises(UsageError, match="nobody has"):
        log.alarms.undo(seizure, "a", log.now_s)
    log.alarms.acknowledge(seizure, "a", log.now_s)
    with pytest.raises(UsageError, match="a has acknowledged"):
        log.alarms.acknowledge(seizure, "b", log.now_s)


def test_a_dead_detector_is_an_alarm_at_once_and_an_unmonitored_bed_after_its_delay() -> None:
    log = Log()
    log.see(Seen(State.NON_SEIZURE, silence_s=2.9))
    assert log.kinds() == []
    log.see(DEAD)
    assert log.kinds() == ["dead"]
    log.see(BLIND, *[BLIND] * 9, bed="bed2")
    assert log.kinds() == ["dead"]
    log.see(BLIND, bed="bed2")
    assert log.kinds() == ["dead", "not-monitoring"]
    assert "the EEG stream is lost" in log.alarms.standing()[1].text


def test_what_flaps_is_one_alarm_and_is_over_when_it_was_away_for_a_while() -> None:
    log = Log()
    log.see(*[BLIND, BLIND, WATCHED, WATCHED] * 50)
    assert log.actions() == [("not-monitoring", "raised")]
    log.see(*[WATCHED] * 7)
    assert log.kinds() == ["not-monitoring"]
    log.see(WATCHED)
    assert log.actions()[1:] == [("not-monitoring", "over")]


def test_a_seizure_that_nobody_acknowledges_is_escalated_once() -> None:
    log = Log()
    log.see(SEIZURE, *[SEIZURE] * 200)
    assert log.actions() == [("seizure", "raised"), ("seizure", "escalated")]
    assert log.rows[1].time_s == log.rows[0].time_s + 60


def test_unacknowledged_seizures_come_first() -> None:
    log = Log()
    log.see(DEAD, bed="a")
    log.see(SEIZURE, bed="b")
    log.see(SEIZURE, bed="c")
    log.alarms.acknowledge(next(one.id for one in log.alarms.standing() if one.bed == "b"), "x", log.now_s)
    assert [(one.bed, one.kind) for one in log.alarms.standing()] == [("c", "seizure"), ("a", "dead"), ("b", "seizure")]


def test_a_bed_can_be_forgotten_only_when_it_is_dead_and_without_a_seizure() -> None:
    log = Log()
    log.see(WATCHED)
    with pytest.raises(UsageError, match="not dead"):
        log.alarms.forget("bed1", "a", log.now_s)
    log.see(SEIZURE, DEAD)
    with pytest.raises(UsageError, match="a seizure of this bed stands"):
        log.alarms.forget("bed1", "a", log.now_s)
    log.see(WATCHED, DEAD)
    log.alarms.acknowledge(log.seizure.id, "a", log.now_s)
    log.alarms.forget("bed1", "a", log.now_s)
    assert log.kinds() == []


def test_priorities_are_those_of_the_settings() -> None:
    settings = SETTINGS.model_copy(update={"dead_priority": Priority.LOW, "not_monitoring_s": 0.0})
    log = Log(settings)
    log.see(DEAD, bed="a")
    log.see(BLIND, bed="b")
    assert [(one.kind, one.priority) for one in log.alarms.standing()] == [("not-monitoring", "high"), ("dead", "low")]


def test_a_seizure_that_came_and_went_between_two_looks_is_an_alarm_that_is_over() -> None:
    log = Log()
    log.see(WATCHED, replace(WATCHED, had_seizure=True), WATCHED)
    assert log.actions() == [("seizure", "raised"), ("seizure", "over")]
    assert log.seizure.over_s == 1002.0
    log.see(replace(DEAD, had_seizure=True), bed="bed2")
    assert [alarm.over_s for alarm in log.alarms.standing() if alarm.bed == "bed2" and alarm.kind == "seizure"] == [
        None
    ]


def test_a_seizure_that_is_seen_again_after_nobody_knew_has_to_be_acknowledged_again() -> None:
    log = Log()
    log.see(SEIZURE)
    log.alarms.acknowledge(log.seizure.id, "Joy", log.now_s)
    log.see(DEAD, SEIZURE)
    assert log.seizure.acknowledged_s is None
    assert log.actions()[-1] == ("seizure", "seen-again")
    log.see(*[SEIZURE] * 61)
    assert log.actions()[-1] == ("seizure", "escalated")


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0])
def test_a_wall_clock_that_is_set_changes_no_delay(step_s: float) -> None:
    log = Log()
    log.see(BLIND, bed="bed2")
    log.see(SEIZURE)
    log.utc_ahead_s = step_s
    log.see(*[BLIND] * 10, bed="bed2")
    assert log.kinds() == ["seizure", "not-monitoring"]
    log.see(*[SEIZURE] * 60)
    assert log.actions()[-1] == ("seizure", "escalated")
    log.see(*[WATCHED] * 10, bed="bed2")
    assert log.kinds() == ["seizure"]


def test_another_problem_is_another_alarm_and_the_same_with_other_numbers_is_not() -> None:
    log = Log()
    log.see(UNREADABLE, Seen(None, problem="it speaks contract 8"))
    assert log.actions() == [("problem", "raised")]
    log.alarms.acknowledge(log.alarms.standing()[0].id, "Joy", log.now_s)
    log.see(Seen(None, problem="2 detectors say that they are bed1"))
    assert log.actions()[-2:] == [("problem", "over"), ("problem", "raised")]
    assert log.alarms.standing()[0].acknowledged_s is None


Step = tuple[str, Seen | str]
_SEEN = st.sampled_from([WATCHED, SEIZURE, BLIND, DEAD, UNREADABLE])
_STEPS = st.lists(st.tuples(st.sampled_from(["a", "b"]), _SEEN | st.sampled_from(["acknowledge", "undo"])), max_size=60)


@deterministic(300)
@given(steps=_STEPS, every_s=st.sampled_from([0.1, 1.0, 7.0]))
def test_no_seizure_is_lost_and_the_log_tells_what_stands(steps: list[Step], every_s: float) -> None:
    log = Log()
    owed: dict[str, tuple[bool, bool]] = {}  # by bed: a seizure that is (over, acknowledged)
    blind: set[str] = set()  # beds of which nobody knows whether it goes on
    for bed, step in steps:
        if isinstance(step, Seen):
            log.see(step, bed=bed, every_s=every_s)
            if step.state is State.SEIZURE and (owed.get(bed, (True, True))[0] or bed in blind):
                owed[bed] = (False, False)
            elif step.state is State.NON_SEIZURE and bed in owed:
                owed[bed] = (True, owed[bed][1])
            (blind.discard if step.state in (State.SEIZURE, State.NON_SEIZURE) else blind.add)(bed)
        else:
            for alarm in log.alarms.standing():
                if alarm.bed == bed and (alarm.acknowledged_s is None) == (step == "acknowledge"):
                    getattr(log.alarms, step)(alarm.id, "x", log.now_s)
                    raised = [row.alarm.id for row in log.rows if row.action is Action.RAISED and row.alarm.bed == bed]
                    newest = [one for one in raised if f".{AlarmKind.SEIZURE}." in one][-1:]
                    if [alarm.id] == newest:
                        owed[bed] = (owed[bed][0], step == "acknowledge")
        standing = {(one.bed, one.over_s is not None) for one in log.alarms.standing() if one.kind.is_physiological}
        for name, (over, acknowledged) in owed.items():
            if not (over and acknowledged):
                assert (name, over) in standing
    last = {row.alarm.id: row.alarm for row in log.rows}
    now = {one.id: one for one in log.alarms.standing()}
    assert {alarm_id for alarm_id, alarm in last.items() if alarm.stands} == set(now)
    reborn = Alarms(SETTINGS, log.rows.append, last.values())
    assert [one.id for one in reborn.standing()] == [one.id for one in log.alarms.standing()]


def test_alarms_of_before_go_on_after_a_restart() -> None:
    log = Log()
    log.see(SEIZURE, DEAD)
    standing = log.alarms.standing()
    reborn = Log()
    reborn.alarms = Alarms(SETTINGS, reborn.rows.append, standing)
    reborn.now_s = log.now_s
    reborn.see(*itertools.repeat(WATCHED, 3))
    assert reborn.actions() == [("seizure", "over")]
    assert reborn.kinds() == ["seizure", "dead"]
    reborn.see(*itertools.repeat(WATCHED, 9))
    assert reborn.kinds() == ["seizure"]
