"""Many recordings scored: side by side, resumable, and one that cannot be scored stops no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from detector import __version__
from detector.archive import Found
from detector.errors import DetectorError
from detector.manifest import Identity, Manifest, identity_of
from detector.network.model import Model
from detector.pipeline import SourceConfig
from detector.scoring import Scored, events_tsv, score, steps_csv, write_whole
from detector.source.recording import open_recording
from detector.spreading import spread

OnDone = Callable[[Path, str | DetectorError], None]


@dataclass(frozen=True)
class Order:
    """How recordings are scored.

    Parameters
    ----------
    model
        By which.
    source, unit, chunk_samples
        See `detector.scoring.score` and `detector.source.recording.open_recording`.
    steps
        Whether the steps are wanted, too.
    """

    model: Model
    source: SourceConfig
    unit: str | None
    chunk_samples: int
    steps: bool


@dataclass(frozen=True)
class Answer:
    """What was made of a recording; ``said`` in a line, the others as files hold them."""

    identity: Identity
    said: str
    events: bytes
    steps: bytes | None


@dataclass(frozen=True)
class Wanted:
    """A recording, and where its events and steps go; ``None`` is nowhere."""

    found: Found
    events: Path | None
    steps: Path | None

    @property
    def results(self) -> list[Path]:
        """The files that are to be there."""
        return [path for path in (self.events, self.steps) if path is not None]


def score_archive(
    wanted: Sequence[Wanted], order: Order, folder: Path, *, jobs: int, scheduler: str | None, on_done: OnDone
) -> list[tuple[Path, DetectorError]]:
    """Score what is not there yet; return what could not be, in the order of the recordings.

    Parameters
    ----------
    wanted
        Recordings and the places of their results.
    order
        How.
    folder
        Where the manifest is.
    jobs, scheduler
        See `detector.spreading.spread`.
    on_done
        Told of each recording what was said of it, or why it could not be scored.

    Raises
    ------
    UsageError, DetectorError
        When another run writes there, or nothing can be written.
    """
    failed: list[tuple[int, DetectorError]] = []
    with Manifest(folder, asdict(order) | {"version": __version__}) as manifest:
        left: list[int] = []
        for number, one in enumerate(wanted):
            said = manifest.said(one.found.place, one.found.path, one.results)
            if said is None:
                left.append(number)
            else:
                on_done(one.found.path, f"{said} (as before)")
        tasks = [wanted[number].found.path for number in left]
        for number, answer in spread(answer_of, order, tasks, jobs=jobs, scheduler=scheduler):
            one = wanted[left[number]]
            if isinstance(answer, Exception):
                error = answer if isinstance(answer, DetectorError) else DetectorError(f"internal error {answer!r}")
                failed.append((left[number], error))
                on_done(one.found.path, error)
                continue
            files = [(one.events, answer.events), (one.steps, answer.steps)]
            results = {path: data for path, data in files if path is not None and data is not None}
            try:
                for path, data in results.items():
                    _make_folder(path.parent)
                    write_whole(path, data)
            except DetectorError as error:
                failed.append((left[number], error))
                on_done(one.found.path, error)
                continue
            manifest.add(one.found.place, answer.identity, results, answer.said)
            on_done(one.found.path, answer.said)
    return [(wanted[number].found.path, error) for number, error in sorted(failed, key=lambda one: one[0])]


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DetectorError(f"cannot make the folder {path}: {error.strerror}") from error


def answer_of(order: Order, path: Path) -> Answer:
    """Score one recording; raises DetectorError."""
    bundle, network = order.model.load()
    identity = identity_of(path)
    recording = open_recording(path, unit=order.unit)
    scored = score(recording, bundle, network, source=order.source, chunk_samples=order.chunk_samples)
    return Answer(
        identity=identity,
        said=summary(path, scored),
        events=events_tsv(scored, recording).encode(),
        steps=steps_csv(scored, recording.description.rate_hz).encode() if order.steps else None,
    )


def summary(path: Path, scored: Scored) -> str:
    """Return what was found in a recording, in a line."""
    n = len(scored.events)
    facts = [
        f"{path.name}: {n} seizure{'' if n == 1 else 's'} in {scored.duration_s:.1f} s",
        f"{scored.monitored_s:.1f} s of it monitored",
    ]
    if scored.unmonitored:
        facts.append(f"not monitored: {', '.join(f'{s:.1f} s {cause}' for cause, s in scored.unmonitored.items())}")
    if scored.missing:
        facts.append(f"without {', '.join(scored.missing)}")
    if scored.resets:
        facts.append(f"{scored.resets} reset{'' if scored.resets == 1 else 's'}")
    return "; ".join(facts)
