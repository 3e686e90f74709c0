"""Many recordings scored: side by side, resumable, and one that cannot be scored stops no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from detector import __version__
from detector.archive import Found
from detector.config import Engine
from detector.errors import BundleError, DetectorError
from detector.manifest import Identity, Manifest, identity_of
from detector.network.bundle import Bundle, load_bundle
from detector.network.engines import make_engine
from detector.pipeline import Network, SourceConfig
from detector.review import ReviewNetwork
from detector.scoring import Scored, events_tsv, score, steps_csv, write_whole
from detector.source.recording import open_recording
from detector.spreading import spread

OnDone = Callable[[Path, str | DetectorError], None]


@dataclass(frozen=True)
class Order:
    """How recordings are scored.

    Parameters
    ----------
    bundle
        The model, by its id or its folder.
    model_sha256
        Of its network; that of a cluster's worker may be another one of the same name.
    source, unit, chunk_samples
        See `detector.scoring.score` and `detector.source.recording.open_recording`.
    steps
        Whether the steps are wanted, too.
    engine
        What runs the network: another one gives the same figures but for their last digits.
    """

    bundle: str
    model_sha256: str
    source: SourceConfig
    unit: str | None
    chunk_samples: int
    steps: bool
    engine: Engine = "auto"


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
            for path, data in results.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, data)
            manifest.add(one.found.place, answer.identity, results, answer.said)
            on_done(one.found.path, answer.said)
    return [(wanted[number].found.path, error) for number, error in sorted(failed, key=lambda one: one[0])]


_engines = threading.local()  # a network has a state: each thread has its own


def answer_of(order: Order, path: Path) -> Answer:
    """Score one recording; raises DetectorError."""
    if getattr(_engines, "of", None) != (order.model_sha256, order.engine):
        _engines.engine = _load(order)
        _engines.of = order.model_sha256, order.engine
    bundle, network = _engines.engine
    identity = identity_of(path)
    recording = open_recording(path, unit=order.unit)
    scored = score(recording, bundle, network, source=order.source, chunk_samples=order.chunk_samples)
    return Answer(
        identity=identity,
        said=summary(path, scored),
        events=events_tsv(scored, recording).encode(),
        steps=steps_csv(scored, recording.description.rate_hz).encode() if order.steps else None,
    )


def _load(order: Order) -> tuple[Bundle, Network | ReviewNetwork]:
    bundle = load_bundle(order.bundle)
    if bundle.sha256 != order.model_sha256:
        raise BundleError(f"the network of {order.bundle} is {bundle.sha256} here, expected {order.model_sha256}")
    return bundle, offline_engine(bundle, order.engine)


def offline_engine(bundle: Bundle, engine: Engine) -> Network | ReviewNetwork:
    """Return what runs the network; may bring TensorFlow."""
    if bundle.card.direction == "bidirectional":
        from detector.network.keras_review import KerasReview

        return KerasReview(bundle)
    return make_engine(bundle, engine)


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
