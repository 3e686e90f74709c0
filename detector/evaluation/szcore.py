"""SzCORE's event and sample scores, by timescoring: the only place that imports it.

Dan et al. 2024, "SzCORE: Seizure Community Open-Source Research Evaluation framework", Epilepsia;
https://github.com/esl-epfl/timescoring.
"""

from __future__ import annotations

import importlib.metadata
import math
import re
from dataclasses import dataclass
from typing import Any

from detector.errors import UsageError
from detector.evaluation.pairs import Pair

NEEDED = (0, 0, 7)  # before, F1 of a detector that says nothing was flattered
# timescoring's own precisions: it resamples events to 10 Hz, and samples to 1 Hz.
EVENT_HZ, SAMPLE_HZ = 10, 1
TOLERANCE_START_S, TOLERANCE_END_S = 30.0, 60.0


@dataclass(frozen=True)
class Counts:
    """What scores are made of; counts of several recordings are added, then divided once.

    Parameters
    ----------
    reference
        Events or samples of the reference.
    hits
        Those of them that were found.
    false
        Events or samples of the hypothesis that are not in the reference.
    """

    reference: int = 0
    hits: int = 0
    false: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.reference + other.reference, self.hits + other.hits, self.false + other.false)


@dataclass(frozen=True)
class Scores:
    """Counts of one recording; events are merged and split as SzCORE says before they are counted."""

    event: Counts
    sample: Counts


def scorer() -> str:
    """Return the scorer with its version.

    Raises
    ------
    UsageError
        When it is not installed, or too old.
    """
    wanted = "timescoring >= " + ".".join(map(str, NEEDED))
    install = "install it with: pip install 'seizure-detector[evaluation]'"
    try:
        version = importlib.metadata.version("timescoring")
    except importlib.metadata.PackageNotFoundError as error:
        raise UsageError(f"SzCORE scores need {wanted}; {install}") from error
    if tuple(int(part) for part in re.findall(r"\d+", version)[:3]) < NEEDED:
        raise UsageError(f"timescoring {version} is installed, SzCORE scores need {wanted}: older ones give a silent "
                         f"detector too good an F1; {install}")  # fmt: skip
    return f"timescoring {version}"


def scores_of(pair: Pair) -> Scores:
    """Return a recording's counts with SzCORE's default parameters.

    An event is found when anything overlaps it from 30 s before to 60 s after; events less than 90 s apart are one,
    and those of more than 5 min are split. Times are given to timescoring as they are; the SzCORE benchmark rounds
    them to whole seconds first.
    """
    from timescoring.scoring import EventScoring, SampleScoring

    parameters = EventScoring.Parameters()
    assert (parameters.toleranceStart, parameters.toleranceEnd) == (TOLERANCE_START_S, TOLERANCE_END_S)
    reference, hypothesis = (_annotation(pair, spans) for spans in (pair.reference, pair.hypothesis))
    return Scores(
        _counts(EventScoring(reference, hypothesis, parameters)),
        _counts(SampleScoring(reference, hypothesis, SAMPLE_HZ)),
    )


def _annotation(pair: Pair, spans: tuple[tuple[float, float], ...]) -> Any:
    from timescoring.annotations import Annotation

    return Annotation(list(spans), EVENT_HZ, math.ceil(pair.duration_s * EVENT_HZ))


def _counts(scored: Any) -> Counts:
    return Counts(int(scored.refTrue), int(scored.tp), int(scored.fp))
