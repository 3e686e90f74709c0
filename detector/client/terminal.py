"""What a bed says, live in a terminal or as plain lines. The state is always in words, never in colour alone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Protocol

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from detector.client.lsl import About, Marker, Record
from detector.client.view import (
    View,
    ViewSummary,
    event_line,
    good_channels,
    input_age,
    knows_cause,
    meaning,
    state_words,
    status_line,
    time_of_day,
)
from detector.messages import State

REDRAW_S = 0.25
STATUS_EVERY_S = 10.0

_GREY = "bright_black"
_HEADLINES = {
    State.SEIZURE: ("▲ SEIZURE", "bold white on red", "red"),
    State.NON_SEIZURE: ("● NON-SEIZURE", "bold black on green", "green"),
    State.NOT_MONITORING: ("○ NOT MONITORING", "bold black on yellow", "yellow"),
}


class Client(Protocol):
    """What the view needs of `detector.client.lsl.BedClient`."""

    bed: str
    about: About | None
    connections: int

    @property
    def dead(self) -> bool: ...  # noqa: D102
    @property
    def silence_s(self) -> float: ...  # noqa: D102
    def read(self, timeout_s: float = ...) -> list[Record]: ...  # noqa: D102
    def clock_time(self, time_s: float) -> float: ...  # noqa: D102


def run_view(
    client: Client,
    *,
    plain: bool,
    stop: Callable[[], bool],
    console: Console | None = None,
    on_record: Callable[[Record], None] | None = None,
    status_every_s: float = STATUS_EVERY_S,
) -> ViewSummary:
    """Show what ``client`` reads until ``stop()`` is true.

    Parameters
    ----------
    client
        A connected `BedClient`.
    plain
        Lines instead of a live picture; also taken where the console is no terminal or has no UTF-8.
    stop
        Asked several times a second.
    console
        Where to draw; standard output without it.
    on_record
        Called with each record, before it is shown.
    status_every_s
        Seconds between two status lines of the plain view (by this process's monotonic clock); a change of the
        state is a line at once.

    Returns
    -------
    ViewSummary
        The markers and the count of status samples that were seen.
    """
    console = console or Console()
    plain = plain or not console.is_terminal or console.is_dumb_terminal or console.options.ascii_only
    view, summary = View(client.bed), ViewSummary()
    lines = _Lines(view, console, status_every_s, client.clock_time)
    drawn_s, connections = -math.inf, client.connections
    with ExitStack() as stack:
        live = None if plain else stack.enter_context(Live(console=console, screen=True, auto_refresh=False))
        while not stop():
            records = client.read()
            was_dead, view.dead = view.dead, client.dead
            view.silence_s, view.about = client.silence_s, client.about
            if view.dead or client.connections != connections:
                connections = client.connections
                view.forget()
            summary.deaths += view.dead and not was_dead
            for record in records:
                summary.take(record)
                if on_record is not None:
                    on_record(record)
                view.take(record, time_of_day(client.clock_time(record.time_s)))
                if live is None and isinstance(record, Marker):
                    lines.event()
            if live is None:
                lines.status(was_dead)
            elif time.monotonic() - drawn_s >= REDRAW_S:
                drawn_s = time.monotonic()
                live.update(render(view, console.width, console.height), refresh=True)
    if not plain:
        # The picture is gone with its screen; a state left standing there would be mistaken for a live one.
        for clock, marker in list(view.events)[-10:]:
            console.print(event_line(view.bed, clock, marker), markup=False, highlight=False, soft_wrap=True)
    return summary


def render(view: View, width: int, height: int) -> RenderableType:
    """Return the picture of a view for a terminal of this size."""
    grey = view.dead or view.sample is None
    border = _GREY if grey else _HEADLINES[view.sample.state][2] if view.sample else _GREY
    rows = list(_status_rows(view, width))
    status = Panel(
        Group(Text(), *_headline(view), Text(), _grid(rows, grey), Text()),
        title=Text(f" bed {view.bed} ", "bold"),
        title_align="left",
        subtitle=Text(f" {_origin(view.about)} ", _GREY, overflow="ellipsis"),
        subtitle_align="left",
        border_style=border,
        box=box.ROUNDED,
    )
    # Around the rows: two borders, the headline and three blank lines; below them the borders of the events.
    room = max(1, height - (len(rows) + 6) - 2)
    shown = list(view.events)[-room:]
    # Where it is narrow the meaning is cut first.
    longest = max((len(marker.text) for _, marker in shown), default=0)
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style=_GREY, min_width=8)
    table.add_column(no_wrap=True, style=_GREY, min_width=min(10, width // 6))
    table.add_column(no_wrap=True, overflow="ellipsis", min_width=min(longest, width // 2))
    table.add_column(no_wrap=True, overflow="ellipsis", style=_GREY)
    for clock, marker in shown:
        style = _GREY if grey else _marker_style(marker.text)
        table.add_row(clock, f"{marker.time_s:.1f} s", Text(marker.text, style), meaning(marker.text))
    events = Panel(
        table if shown else Text("none yet", _GREY),
        title=Text(" events: time of day, sample time, marker, meaning ", _GREY),
        title_align="left",
        subtitle=Text(" research software, never a sole alarm · Ctrl-C leaves ", _GREY),
        subtitle_align="left",
        border_style=_GREY,
        box=box.ROUNDED,
        height=room + 2,
    )
    return Group(status, events)


class _Lines:
    """The plain view: which line is due."""

    def __init__(self, view: View, console: Console, every_s: float, clock_time: Callable[[float], float]) -> None:
        self._view, self._console, self._every_s, self._clock_time = view, console, every_s, clock_time
        self._due_s = -math.inf
        self._said: State | None = None

    def event(self) -> None:
        self._print(event_line(self._view.bed, *self._view.events[-1]))

    def status(self, was_dead: bool) -> None:
        sample = self._view.sample
        state = sample.state if sample else None
        changed = state is not self._said or self._view.dead != was_dead
        if changed or time.monotonic() >= self._due_s:
            self._said, self._due_s = state, time.monotonic() + self._every_s
            # The time of its sample, as events have; a dead detector has none.
            unix_s = self._clock_time(sample.time_s) if sample and not self._view.dead else time.time()
            self._print(status_line(self._view, time_of_day(unix_s)))

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _headline(view: View) -> Iterable[RenderableType]:
    sample = view.sample
    if view.dead:
        last = f"; last said: {state_words(view, sample)}" if sample else ""
        yield Text.assemble(
            ("  ✕ DEAD  ", "bold white on bright_black"),
            (f"  no status for {view.silence_s:.0f} s{last}", "bold"),
        )
    elif sample is None:
        yield Text.assemble(("  … CONNECTING  ", "bold"), ("  no status yet", _GREY))
    else:
        words, style, _ = _HEADLINES[sample.state]
        why = ""
        if sample.state is State.NOT_MONITORING:
            told = f"{view.said.partition('/')[2]}: {meaning(view.said)}" if knows_cause(view) else ""
            why = "  " + (told or "(the cause was told before this view joined)")
        yield Text.assemble((f"  {words}  ", style), why, no_wrap=True, overflow="ellipsis")


def _status_rows(view: View, width: int) -> Iterable[tuple[str, RenderableType]]:
    sample = view.sample
    if sample is None:
        return
    if math.isfinite(sample.probability):
        style = _GREY if view.dead else _HEADLINES[sample.state][2]
        length = max(10, min(60, width - 36))
        filled = round(min(max(sample.probability, 0.0), 1.0) * length)
        bar = Text.assemble(f"{sample.probability:.2f}  ", ("█" * filled, style), ("░" * (length - filled), _GREY))
        yield "probability", bar
    else:
        yield "probability", "none"
    yield "in this state", _span(sample.time_s, view.state_from_s, view.state_is_exact)
    yield "session", _span(sample.time_s, view.session_from_s, view.session_is_exact)
    yield "good channels", good_channels(view, sample).replace("/", " of ")
    yield "input age", input_age(sample)
    yield "burden", f"{sample.burden:.0%} of the last 5 min"
    yield "missing samples", str(sample.missing_samples)


def _grid(rows: Iterable[tuple[str, RenderableType]], grey: bool) -> Table:
    grid = Table.grid(padding=(0, 3), expand=False)
    grid.add_column(style=_GREY, min_width=18, justify="right", no_wrap=True)
    grid.add_column(style=_GREY if grey else "default", no_wrap=True, overflow="ellipsis")
    for label, value in rows:
        grid.add_row(label, value)
    return grid


def _marker_style(text: str) -> str:
    styles = {state.label: look[2] for state, look in _HEADLINES.items()}
    return f"bold {styles[kind]}" if (kind := text.partition("/")[0]) in styles else "default"


def _span(now_s: float, from_s: float | None, is_exact: bool) -> str:
    if from_s is None or not math.isfinite(now_s - from_s):
        return "not known"
    minutes, seconds = divmod(max(0, int(now_s - from_s)), 60)
    spelled = f" ({minutes // 60}:{minutes % 60:02}:{seconds:02})" if minutes else ""
    return f"{'' if is_exact else 'at least '}{minutes * 60 + seconds} s{spelled}"


def _origin(about: About | None) -> str:
    if about is None:
        return "seizure-detector"
    return f"{about.source_name or 'no source yet'} on {about.hostname} · {about.model_id} · {about.montage}"
