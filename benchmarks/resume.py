"""What a restart costs: the same EEG with a hole in it, taken up from a checkpoint and begun anew.

    python benchmarks/resume.py [--holes N] [--data FOLDER]

Every session of every person is watched without interruption. Then, at random moments, the pipeline is killed, and a
hole of 1 to 29 s later another one goes on from its state for a minute; the same is done without what a row names, with
more than a checkpoint holds, and from nothing. Printed are

* how far the probability is from that of the uninterrupted run, so many seconds behind the hole (mean; a frame of two
  seconds must be filled first, and its place differs by up to half a hop, which alone makes the last column),
* seconds until something is watched again (median),
* alarms outside of seizures, and those of them that the uninterrupted run does not have within ten seconds,
* seizures that were declared before the hole and outlast it: how many are said in two pieces, or not at all any more.

The network has been trained on these very persons: what counts is by how much the rows differ. Measured with
--holes 2000 on chb-lstm-2 (1925 holes in 6.5 h of 27 persons):

| | 2 s | 3 s | 5 s | 10 s | 20 s | 50 s | watched after | false alarms | invented | broken |
|---|---|---|---|---|---|---|---|---|---|---|
| uninterrupted | 0 | 0 | 0 | 0 | 0 | 0 | 0.3 s | 91 in 31.5 h | 0 | 2 of 448 |
| taken up from a checkpoint | 0.094 | 0.068 | 0.038 | 0.017 | 0.012 | 0.010 | 2.0 s | 75 in 30.7 h | 4 | 1 of 448 |
| ... without the network's state | 0.209 | 0.099 | 0.054 | 0.031 | 0.019 | 0.012 | 2.0 s | 138 in 30.7 h | 58 | 6 |
| ... without the baselines | 0.113 | 0.112 | 0.117 | 0.133 | 0.126 | 0.089 | 2.0 s | 93 in 30.7 h | 40 | 29 |
| ... with the filters' state | 0.094 | 0.068 | 0.038 | 0.017 | 0.012 | 0.010 | 2.0 s | 75 in 30.7 h | 4 | 1 |
| ... with filters and waiting samples | 0.062 | 0.045 | 0.027 | 0.014 | 0.011 | 0.009 | 0.3 s | 82 in 31.5 h | 7 | 2 |
| begun anew | - | - | - | - | 0.125 | 0.087 | 12.0 s | 105 in 25.4 h | 43 | 448 of 448 |

So the filters' state changes nothing, and samples from before the hole make a few alarms more: neither is kept. Two
seizures are "broken" without any interruption, as they end and begin again around the hole.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from detector.decision import Decision
from detector.messages import Chunk, Decided, Description, Event, Gap, Outcome, Reset, State, Status
from detector.network.bundle import load_bundle
from detector.network.keras_lstm import KerasLstm
from detector.pipeline import Conditioning, Pipeline, decision_config
from detector.training.clips import default_folder, load_persons
from detector.training.sessions import Session, compose_plain

AFTER_S = 60.0
AT_S = (2, 3, 4, 5, 8, 10, 15, 20, 30, 50)
LATE_S = 6.0  # as `detector.evaluation.events`
NEAR_S = 10.0
RESUMED, ANEW = "taken up from a checkpoint", "begun anew"
WAYS = (
    RESUMED,
    "... without the network's state",
    "... without the baselines",
    "... with the filters' state",
    "... with filters and waiting samples",
    ANEW,
)


@dataclass
class Run:
    """What was said from a hole on."""

    statuses: list[Status] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def add(self, said: Iterator[Decided] | list[Decided]) -> None:
        """Take what was said."""
        for one in said:
            if isinstance(one, Status):
                self.statuses.append(one)
            elif isinstance(one, Event):
                self.events.append(one)

    def declared(self, since_s: float, until_s: float) -> list[float]:
        """Return when seizures were declared in this time."""
        times = [e.declared_s for e in self.events if e.outcome is Outcome.ONGOING]
        return [at for at in times if since_s <= at <= until_s]

    def ictal(self, since_s: float, until_s: float) -> bool:
        """Return whether a seizure was said in this time."""
        return any(s.state is State.SEIZURE for s in self.statuses if since_s <= s.time_s <= until_s)


@dataclass
class Tally:
    """Pooled over holes."""

    apart: dict[int, list[float]] = field(default_factory=lambda: {at: [] for at in AT_S})
    watched_after_s: list[float] = field(default_factory=list)
    watched_s: float = 0.0
    false: int = 0
    invented: int = 0
    outlasting: int = 0
    broken: int = 0


class Bench:
    """One pipeline, killed again and again."""

    def __init__(self) -> None:
        bundle = load_bundle()
        self.card, self.network = bundle.card, KerasLstm(bundle)
        self.tallies = {way: Tally() for way in ("uninterrupted", *WAYS)}
        self.costs_s: list[float] = []
        self.bytes = 0
        self.holes = 0

    def pipeline(self, rate_hz: float) -> Pipeline:
        """Return one that knows nothing."""
        n = len(self.card.derivations)
        description = Description(self.card.derivations, rate_hz, (1.0,) * n, ("uV",) * n)
        return Pipeline(Conditioning(self.card, description), self.network, Decision(decision_config(self.card)))

    def session(self, session: Session, rng: np.random.Generator, per_hour: float) -> None:
        """Watch a session without interruption, and again from holes on."""
        rate, n = session.rate_hz, len(session.samples)
        times = np.arange(n) / rate
        first, last = int(25 * rate), n - int(35 * rate)
        if last <= first:
            return
        starts = np.sort(rng.integers(first, last, rng.poisson(per_hour * (last - first) / rate / 3600)))
        pipeline, whole, kept = self.pipeline(rate), Run(), []
        for begin, end in zip([0, *starts], [*starts, n], strict=True):
            whole.add(pipeline.process(Chunk(session.samples[begin:end], times[begin:end])))
            if end < n:
                began = time.perf_counter()
                state = pipeline.get_state()
                self.costs_s.append(time.perf_counter() - began)
                self.bytes = len(json.dumps(state, default=lambda array: array.tolist()))
                kept.append((int(end), state, _samples_of(pipeline)))
        for start, state, samples in kept:
            behind = start + int(np.exp(rng.uniform(0, np.log(29))) * rate)
            end = min(behind + int(AFTER_S * rate), n)
            if end - behind < 20 * rate:
                continue
            self.holes += 1
            gap = Gap(float(times[start - 1]), float(times[behind]), Reset.GAP, behind - start)
            rest = Chunk(session.samples[behind:end], times[behind:end])
            self._judge("uninterrupted", whole, whole, gap, float(times[end - 1]), session)
            for way in WAYS:
                run, another = Run(), self.pipeline(rate)
                run.add(list(_go_on(another, way, state, samples, gap)))
                run.add(another.process(rest))
                self._judge(way, run, whole, gap, float(times[end - 1]), session)

    def _judge(self, way: str, run: Run, whole: Run, gap: Gap, end_s: float, session: Session) -> None:
        tally, behind_s = self.tallies[way], gap.end_s
        # What began in the hole is declared behind it by whoever was not there.
        since_s = gap.start_s if run is whole else behind_s
        for at in run.declared(since_s, end_s):
            if not any(onset <= at <= offset + LATE_S for onset, offset in session.seizures):
                tally.false += 1
                tally.invented += not whole.ictal(at - NEAR_S, at + NEAR_S)
        steps = [s for s in run.statuses if behind_s < s.time_s <= end_s and np.isfinite(s.probability)]
        tally.watched_s += len(steps) * self.card.step_s
        if steps:
            tally.watched_after_s.append(steps[0].time_s - behind_s)
        known = [(s.time_s, s.probability) for s in whole.statuses if np.isfinite(s.probability)]
        known_s, known_p = np.array(known).T
        for at in AT_S:
            near = [s for s in steps if at - self.card.step_s < s.time_s - behind_s <= at]
            tally.apart[at] += [abs(s.probability - float(np.interp(s.time_s, known_s, known_p))) for s in near]
        if self._outlasts(whole, gap):
            ends = [e.offset_s for e in whole.events if e.offset_s is not None and e.offset_s > behind_s]
            tally.outlasting += 1
            over = [e for e in run.events if e.outcome is Outcome.UNKNOWN and e.declared_s <= gap.start_s]
            tally.broken += bool(over or run.declared(since_s, min([*ends, end_s])))

    def _outlasts(self, whole: Run, gap: Gap) -> bool:
        inside = [s for s in whole.statuses if gap.start_s - 1 <= s.time_s <= gap.end_s + 2]
        return all(s.state is State.SEIZURE for s in inside)


def _samples_of(pipeline: Pipeline) -> dict[str, Any]:
    """Return what a checkpoint does not hold; the stages make it anew at each chunk and never change it in place."""
    c = pipeline.conditioning
    kept = {name: getattr(c, name)._state for name in ("quality", "resampler", "framer")}
    filters = [section.copy() for section in c.filters._state.memories or []]
    copied = {name: type(state)(**vars(state)) for name, state in kept.items()}
    return {"stages": copied, "filters": filters, "waiting": (list(c._waiting), c._n_waiting, c._n_needed)}


def _go_on(pipeline: Pipeline, way: str, state: Any, samples: dict[str, Any], gap: Gap) -> Iterator[Decided]:
    if way == ANEW:
        # Told of what the one before was told, so that it knows of a seizure that was going on.
        pipeline.decision.set_state(state["decision"])
        yield from pipeline.process(gap)
        return
    pipeline.set_state(state)
    c = pipeline.conditioning
    if "without the network" in way:
        pipeline.network.reset()
    if "without the baselines" in way:
        c.bands.reset()
    if "filters" in way:
        c.filters._state.memories = [section.copy() for section in samples["filters"]]
    if "samples" in way:
        for name, kept in samples["stages"].items():
            getattr(c, name)._state = type(kept)(**vars(kept))
        waiting, c._n_waiting, c._n_needed = samples["waiting"]
        c._waiting = list(waiting)
    yield from pipeline.resume(gap)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--holes", type=int, default=1500)
    parser.add_argument("--data", type=Path, default=default_folder())
    arguments = parser.parse_args()
    rng, bench = np.random.default_rng(0), Bench()
    persons = load_persons(arguments.data)
    sessions = [session for person in persons for session in compose_plain(person, np.random.default_rng(0))]
    hours = sum(max(len(s.samples) / s.rate_hz - 60, 0) for s in sessions) / 3600
    for session in sessions:
        bench.session(session, rng, arguments.holes / hours)
    print(f"{bench.holes} holes of 1 to 29 s in {hours:.1f} h of {len(persons)} persons, {bench.card.id}\n")
    print(f"| | {' | '.join(f'{at} s' for at in AT_S)} | watched after | false alarms | invented | seizures broken |")
    print(f"|---|{'---|' * (len(AT_S) + 4)}")
    for way, tally in bench.tallies.items():
        apart = " | ".join(f"{np.mean(tally.apart[at]):.3f}" if tally.apart[at] else "-" for at in AT_S)
        rate = f"{tally.false} in {tally.watched_s / 3600:.1f} h"
        broken = f"{tally.broken} of {tally.outlasting}"
        print(f"| {way} | {apart} | {np.median(tally.watched_after_s):.1f} s | {rate} | {tally.invented} | {broken} |")
    median, longest = 1e6 * np.median(bench.costs_s), 1e6 * np.max(bench.costs_s)
    print(f"\na state is taken in {median:.0f} µs (longest {longest:.0f}) and has {bench.bytes} bytes")


if __name__ == "__main__":
    main()
