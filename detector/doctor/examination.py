"""All the checks: run at the same time, each bounded, so that a network that does not answer keeps nobody waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from detector.background import Background
from detector.config import Config, load_config, make_config
from detector.config_check import check_files
from detector.doctor import host
from detector.doctor.finding import Finding, fail, ok, warn
from detector.errors import DetectorError

DEADLINE_S = 18.0

_Check = Callable[[], Iterable[Finding]]


def examine(path: Path | None, deadline_s: float = DEADLINE_S) -> Iterator[Finding]:
    """Yield what every check found, in order, within ``deadline_s``.

    Parameters
    ----------
    path
        The bed's configuration; without one the machine and the network are looked at.
    deadline_s
        When nobody waits any more, in seconds.
    """
    ends_s = time.monotonic() + deadline_s
    config: Config | None = None
    if path is not None:
        found = []
        try:
            config = load_config(path)
            check_files(path, config)
            found.append(ok("configuration", f"{path}: bed {config.bed.name}, and no other file here contradicts it"))
        except DetectorError as error:
            found.append(fail("configuration", str(error)))
        yield from found
    running = [(name, Background(partial(_all, check))) for name, check in _checks(path, config)]
    for name, one in running:
        if one.wait(max(ends_s - time.monotonic(), 0)):
            yield from _result(name, one)
        else:
            yield fail(
                name,
                f"no answer within {deadline_s:g} s",
                "run it again; if it stays so, this machine has too much to do",
            )


def _checks(path: Path | None, config: Config | None) -> Iterator[tuple[str, _Check]]:
    known = config or make_config({"bed": {"name": "none"}, "source": {"source_id": "none"}})
    yield "model", partial(_model, known)
    yield from _lsl_checks(config, known)
    yield "state folder", partial(host.state, path)
    if config is not None:
        yield "journal", partial(host.journal, path, config)
    yield "disk", partial(host.disk, path, known)
    yield "memory", host.memory
    yield "watchdog", partial(host.watchdog, path)
    yield "health port", partial(host.health_port, known)


def _lsl_checks(config: Config | None, known: Config) -> Iterator[tuple[str, _Check]]:
    try:
        from detector.doctor import lsl, lsl_streams
    except (ImportError, RuntimeError, OSError) as error:  # pylsl raises any of them, by what is missing
        found = fail(
            "liblsl",
            " ".join(str(error).split()),
            "install liblsl for this machine (its releases have packages), and set PYLSL_LIB to the path of liblsl.so",
        )
        yield "liblsl", lambda: [found]
        return
    lsl.prepare()
    yield "liblsl", lsl.library
    yield "LSL configuration", lsl.configuration
    yield "ports", partial(lsl.ports, known)
    yield "LSL network", lsl.network
    yield "other sessions", lsl.elsewhere
    yield "streams", partial(lsl_streams.streams, config, known)
    if config is None:
        advice = "say which by --config FILE"
        yield "source", lambda: [warn("source", "no valid configuration says which stream is watched", advice)]
    else:
        yield "source", partial(lsl_streams.source, config)


def _model(config: Config) -> Iterable[Finding]:
    from detector.loading import load
    from detector.network.engines import chosen
    from detector.sinks.identity import outlet_identity

    loaded = load(config)
    outlet_identity(loaded)  # raises where the model and the outlets do not go together
    bundle = loaded.bundle
    text = f"{bundle.card.id}, sha256 {bundle.sha256}: its files are those of its card, and its self-test ran"
    text += f" on {chosen(bundle, loaded.config.model.engine)}"
    return [ok("model", text)]


def _all(check: _Check) -> list[Finding]:
    return list(check())


def _result(name: str, one: Background[list[Finding]]) -> list[Finding]:
    try:
        return one.result()
    except DetectorError as error:
        return [fail(name, str(error))]
    except Exception as error:  # noqa: BLE001 - one check that breaks must not hide what the others found
        return [fail(name, f"it could not be looked at ({type(error).__name__}: {error})", "please report it")]
