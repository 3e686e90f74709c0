"""The live view as a picture of a given size and as plain lines, without a terminal and without LSL."""

from __future__ import annotations

import io
import math
import re

import pytest
from rich.console import Console

from detector.client.lsl import About, Marker, Record, StatusSample
from detector.client.terminal import render, run_view
from detector.client.view import View
from detector.messages import State

ABOUT = About("bedside-pc", "chb-lstm-2", "chb-mit-22", 22, "amp-7")


def sample(
    state: State = State.NON_SEIZURE, time_s: float = 100.0, probability: float = 0.07, **changes: float
) -> StatusSample:
    if state is State.NOT_MONITORING:
        probability = math.nan
    values = {"good_channels": 21, "input_age_s": 0.31, "missing_samples": 3, "burden": 0.05} | changes
    return StatusSample(time_s, probability, state, **values)  # type: ignore[arg-type]


def view(*records: Record, **changes: object) -> View:
    made = View("bed-7", ABOUT)
    for record in records:
        made.take(record, "12:03:04")
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def picture(given: View, width: int = 80, height: int = 24, *, colours: bool = False) -> str:
    """Draw on a terminal that is nowhere; styles come out only where asked for."""
    console = Console(
        file=io.StringIO(),
        force_terminal=True,
        width=width,
        height=height,
        color_system="standard" if colours else None,
    )
    console.print(render(given, width, height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


class Script:
    """A client that reads what is written here, one entry a turn; a string is what happens to it."""

    bed = "bed-7"
    about: About | None = ABOUT
    connections = 1
    dead = False
    silence_s = 0.0

    def __init__(self, *turns: list[Record] | str) -> None:
        self._turns = list(turns)

    def read(self, timeout_s: float = 0.2) -> list[Record]:
        turn = self._turns.pop(0)
        if isinstance(turn, list):
            self.dead, self.silence_s = False, 0.0
            return turn
        if turn == "dies":
            self.dead, self.silence_s = True, 3.2
        else:
            assert turn == "restarts"
            self.connections += 1
        return []

    def clock_time(self, time_s: float) -> float:
        return 1e9 + time_s

    def at_end(self) -> bool:
        return not self._turns


def lines_of(script: Script, *, status_every_s: float = 1e9, encoding: str = "utf-8") -> list[str]:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    run_view(
        script,
        plain=True,
        stop=script.at_end,
        console=Console(file=file, width=80),
        status_every_s=status_every_s,
    )
    file.flush()
    return raw.getvalue().decode(encoding).splitlines()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.SEIZURE, "▲ SEIZURE"),
        (State.NON_SEIZURE, "● NON-SEIZURE"),
        (State.NOT_MONITORING, "○ NOT MONITORING"),
    ],
)
def test_the_state_is_in_words_and_in_colour(state: State, words: str) -> None:
    said = Marker(99.0, state.label)
    others = {"▲ SEIZURE", "● NON-SEIZURE", "○ NOT MONITORING"} - {words}
    drawn = picture(view(said, sample(state)))
    assert words in drawn
    assert not any(other in drawn for other in others)
    number = {State.SEIZURE: 41, State.NON_SEIZURE: 42, State.NOT_MONITORING: 43}[state]
    assert re.search(rf"\x1b\[[0-9;]*{number}m  {words}", picture(view(sample(state)), colours=True))


def test_all_numbers_of_the_status_are_shown() -> None:
    records = Marker(20.0, "session-reset/new-stream"), sample(time_s=95.0), sample(State.SEIZURE, 100.0, 0.93)
    drawn = picture(view(*records, sample(State.SEIZURE, 161.0, 0.94)))
    for row in (
        r"probability +0\.94 +█{41}░{3} ",
        r"in this state +61 s \(0:01:01\)",
        r"session +141 s",
        r"good channels +21 of 22",
        r"input age +0\.3 s",
        r"burden +5%",
        r"missing samples +3\b",
        "amp-7 on bedside-pc · chb-lstm-2 · chb-mit-22",
    ):
        assert re.search(row, drawn), row


def test_no_probability_is_no_bar_and_no_number() -> None:
    drawn = picture(view(sample(State.NOT_MONITORING, input_age_s=math.nan)))
    assert re.search(r"probability +none", drawn)
    assert not re.search("[█░]", drawn)
    assert re.search(r"input age +no input yet", drawn)


def test_the_cause_is_told_where_it_was_heard_and_never_guessed() -> None:
    poor = Marker(99.0, "not-monitoring/poor")
    assert "poor: too few good channels" in picture(view(poor, sample(State.NOT_MONITORING)))
    for heard in ([], [poor, Marker(99.5, "non-seizure")]):
        drawn = picture(view(*heard, sample(State.NOT_MONITORING)))
        assert "told before this view joined" in drawn


def test_a_beginning_that_was_not_seen_is_at_least_that_long() -> None:
    drawn = picture(view(sample(time_s=100.0), sample(time_s=105.0)))
    assert re.search(r"in this state +at least 5 s", drawn)
    assert re.search(r"session +at least 5 s", drawn)


def test_dead_is_said_and_nothing_looks_alive() -> None:
    alive = view(Marker(99.0, "seizure"), sample(State.SEIZURE))
    drawn = picture(view(Marker(99.0, "seizure"), sample(State.SEIZURE), dead=True, silence_s=7.4), colours=True)
    assert "DEAD" in drawn
    assert "no status for 7 s; last said: seizure" in drawn
    assert "▲ SEIZURE" not in drawn
    # red is 31 and 41; green and yellow would be 32, 33, 42, 43
    coloured = re.compile(r"\x1b\[(?:[0-9]+;)*[34][1-3]m")
    assert coloured.search(picture(alive, colours=True))
    assert not coloured.search(drawn)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 50), (60, 20)])
def test_the_picture_has_the_size_of_the_terminal_and_the_newest_events(width: int, height: int) -> None:
    markers = [Marker(float(k), f"session-reset/{k}") for k in range(300)]
    rows = picture(view(*markers, sample()), width, height).splitlines()
    assert len(rows) == height
    assert {len(row) for row in rows} == {width}
    assert "session-reset/299" in rows[-2]
    assert sum("session-reset/" in row for row in rows) >= 4


def test_before_the_first_status_it_is_connecting() -> None:
    assert "CONNECTING" in picture(view())


def test_markup_from_a_peer_is_only_text() -> None:
    drawn = picture(view(Marker(1.0, "[bold red]x[/]"), sample(), about=About("[red]h", "m", "c", 22, "[i]s")))
    assert "[bold red]x[/]" in drawn
    assert "[i]s on [red]h" in drawn


def test_plain_is_one_line_an_event_and_a_status_line_at_each_change() -> None:
    lines = lines_of(
        Script(
            [],
            [Marker(99.0, "non-seizure"), sample(time_s=100.0)],
            [sample(time_s=101.0)],
            [Marker(102.0, "seizure"), sample(State.SEIZURE, 102.0, 0.9)],
            "dies",
            [sample(State.SEIZURE, 110.0, 0.9)],
        )
    )
    texts = [line.split(" ", 2)[2] for line in lines]
    assert texts[0] == "connecting"
    assert texts[1] == "event t=99.000 non-seizure: no seizure, and monitoring"
    assert texts[2] == (
        "status t=100.000 non-seizure probability=0.07 session=0s good_channels=21/22 input_age=0.3 s "
        "missing_samples=3 burden=5%"
    )
    assert texts[3] == "event t=102.000 seizure: a seizure is declared"
    assert texts[4].startswith("status t=102.000 seizure probability=0.90")
    assert texts[5] == "DEAD no status for 3 s"
    assert texts[6].startswith("status t=110.000 seizure")
    assert len(texts) == 7
    assert all(re.match(r"\d\d:\d\d:\d\d bed-7 ", line) for line in lines)


def test_plain_repeats_the_status_every_so_many_seconds() -> None:
    turns: list[list[Record]] = [[sample(time_s=100.0 + k)] for k in range(5)]
    assert len(lines_of(Script(*turns))) == 1
    assert len(lines_of(Script(*turns), status_every_s=0.0)) == 5


@pytest.mark.parametrize("happens", ["restarts", "dies"])
def test_a_restart_and_a_silence_forget_the_cause_and_the_session_of_before(happens: str) -> None:
    lines = lines_of(
        Script(
            [
                Marker(10.0, "session-reset/new-stream"),
                Marker(10.0, "not-monitoring/poor"),
                sample(State.NOT_MONITORING),
            ],
            happens,
            [sample(State.NON_SEIZURE, 200.0)],
            [sample(State.NOT_MONITORING, 205.0)],
        )
    )
    assert " not-monitoring/poor probability=nan session=90s" in lines[2]
    assert " not-monitoring probability=nan session=5s" in lines[-1]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_what_is_no_terminal_or_knows_no_utf8_gets_plain_lines(encoding: str) -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    console = Console(file=file, force_terminal=encoding == "ascii", width=80, height=24)
    script = Script([sample(State.SEIZURE)])
    run_view(script, plain=False, stop=script.at_end, console=console)
    file.flush()
    assert re.fullmatch(r"\d\d:\d\d:\d\d bed-7 status .* seizure .*\n", raw.getvalue().decode(encoding))


def test_live_draws_and_leaves_only_the_events_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    file = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    console = Console(file=file, force_terminal=True, width=80, height=24)
    seen: list[Record] = []
    records: list[Record] = [Marker(102.0, "seizure"), sample(State.SEIZURE, probability=0.9)]
    script = Script(records, [sample(State.SEIZURE, probability=0.8)], "dies", "dies")
    summary = run_view(script, plain=False, stop=script.at_end, console=console, on_record=seen.append)
    file.seek(0)
    drawn = file.read()
    alternate, _, left = drawn.rpartition("\x1b[?1049l")
    assert "▲ SEIZURE" in alternate
    assert "a seizure is declared" in left
    assert "▲ SEIZURE" not in left
    assert seen[:2] == records
    assert list(summary.markers) == records[:1]
    assert summary.statuses == {State.SEIZURE: 2}
    assert summary.peak_probability == 0.9
    assert summary.deaths == 1


def test_absurd_values_of_a_peer_do_not_break_the_view() -> None:
    absurd = sample(
        State.SEIZURE,
        math.inf,
        1e30,
        good_channels=-5,
        input_age_s=math.inf,
        missing_samples=10**30,
        burden=math.nan,
    )
    rows = picture(view(Marker(math.nan, "x" * 300), sample(), absurd)).splitlines()
    assert len(rows) == 24
    assert {len(row) for row in rows} == {80}
