"""The daemon's life: start-up, main loop, shutdown. Here, and in the command line, are the clock and the signals."""

from __future__ import annotations

import itertools
import logging
import math
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from detector.boot import boot_id
from detector.conditions import Kind
from detector.config import Config
from detector.continuity import Continuity
from detector.decision import Decision, Record
from detector.errors import BadDataError, StateError
from detector.loading import Loaded, load
from detector.messages import Cause, Chunk, Condition, Decided, Description, Gap, Reset, Status
from detector.monitor import Monitor, MonitorConfig, Sink
from detector.pipeline import Conditioning, Pipeline, SourceConfig
from detector.reloading import Reloading
from detector.sd_notify import Notifier
from detector.sinks.identity import outlet_identity
from detector.sinks.journal import Journal, journal_config, journal_path
from detector.sinks.log import LogSink
from detector.sinks.lsl import LslOutlets
from detector.source.lsl import LslSource, local_clock
from detector.source.lsl_control import LslControl
from detector.source.said import Opened
from detector.state_folder import state_folder
from detector.supervision import Supervision

log = logging.getLogger(__name__)


class Service:
    """Watches one bed until it is told to stop.

    Parameters
    ----------
    config
        The bed's configuration.
    config_path
        Where it came from, to read it again on SIGHUP.
    notifier
        Whoever supervises this process; nobody by default.

    Raises
    ------
    ConfigError, BundleError
        At construction, before anything is published.
    """

    def __init__(self, config: Config, config_path: Path | None = None, notifier: Notifier | None = None) -> None:
        # Plain flags: a lock, which an event has, may be held by the very code that a signal interrupts.
        self._stop_asked = self._reset_asked = False
        self._reloading = Reloading(config_path)
        self._fault = ""
        self._notifier = notifier or Notifier({})
        self._journal: Journal | None = None
        self._outlets: LslOutlets | None = None
        self._take_over(load(config))

    def _take_over(self, loaded: Loaded, record: Record | None = None) -> None:
        self._loaded, self._config, self._bundle = loaded, loaded.config, loaded.bundle
        self._decision = Decision(loaded.decision, record)
        self._pipeline: Pipeline | None = None
        self._accepted: Conditioning | None = None
        self._boundary: Gap | None = None

    def run(self, on_ready: Callable[[], None] | None = None) -> None:
        """Watch until `stop` is called; ``on_ready`` is called once the outlets stand."""
        self._start()
        self._supervision.ready()
        if on_ready is not None:
            on_ready()
        try:
            while not self._stop_asked:
                self.turn()
        finally:
            self._shut_down()

    def check(self) -> None:
        """Try the source's predicate and the outlets; everything else was checked at construction."""
        self._open_source().close()
        LslOutlets(outlet_identity(self._loaded)).close()

    def handle_signals(self) -> None:
        """SIGTERM and SIGINT stop, SIGUSR1 begins a new session, SIGHUP reads the configuration again."""

        def on(number: int, ask: Callable[[], None]) -> None:
            signal.signal(number, lambda _number, _frame: ask())

        on(signal.SIGTERM, self.stop)
        on(signal.SIGINT, self.stop)
        on(signal.SIGUSR1, self.begin_session)
        on(signal.SIGHUP, self._reloading.ask)

    def stop(self) -> None:
        """Make `run` return after the present turn."""
        self._stop_asked = True

    def begin_session(self) -> None:
        """Forget all that belongs to the session at the next turn."""
        self._reset_asked = True

    @property
    def standing(self) -> list[Condition]:
        """The technical conditions that stand."""
        return self._supervision.conditions.standing

    def turn(self) -> None:
        """Do what was asked, take what has come, say what is true."""
        if (loaded := self._reloading.result(self._loaded)) is not None:
            self._swap(loaded)
        if self._reset_asked or (self._control is not None and self._control.start_asked()):
            self._reset_asked = False
            log.info("new session, asked for by the operator")
            self._feed(Gap(self._source.newest_s, math.nan, Reset.OPERATOR))
        needed = 1 if self._pipeline is None else self._pipeline.conditioning.needed
        for message in self._source.poll(needed):
            if isinstance(message, Opened):
                self._begin(message)
            elif not self._feed(message):
                break  # what came with it is of a stream that has just been refused
        if self._pipeline is not None:
            self._continuity.keep(self._loaded, self._pipeline, self._source, self._monitor.event_id, time.monotonic())
        self._give_up_what_is_not_resumed()
        obstacle = self._source.obstacle
        self._monitor.tick(local_clock(), self._source.newest_s, obstacle.cause if obstacle else None)
        self._look()

    def _look(self, *, is_ready: bool = True) -> None:
        faults = {} if self._pipeline is None else self._pipeline.conditioning.faults
        troubles = {
            Kind.FAULT: self._fault if self._monitor.status.cause is Cause.FAULT else None,
            Kind.CONFIG: self._reloading.trouble,
            Kind.HEALTH: self._supervision.health.problem,
            Kind.CHECKPOINT: self._continuity.trouble,
            Kind.JOURNAL: None if self._journal is None else self._journal.trouble,
        }
        self._supervision.look(self._loaded, self._source, self._monitor, faults, troubles, is_ready=is_ready)

    def _start(self) -> None:
        self._open_outlets()
        self._supervision = Supervision(self._config, self._notifier)
        self._source, self._control = self._open_source(), self._open_control()
        self._journal = self._open_journal()
        self._continuity, self._may_resume = self._open_continuity(), True
        self._monitor = Monitor(self._monitor_config(), self._sinks())
        self._monitor.start(local_clock())
        log.info("bed %s: waiting for its stream, model %s", self._config.bed.name, self._bundle.card.id)

    def _sinks(self) -> list[Sink]:
        assert self._outlets is not None
        sinks: list[Sink] = [self._outlets, LogSink(), self._supervision.health]
        return sinks if self._journal is None else [*sinks, self._journal]

    def _open_outlets(self) -> None:
        identity = outlet_identity(self._loaded)
        if self._outlets is None or identity != self._outlets.config:
            # Opened anew only when they must be: every reader loses its connection.
            self._close_outlets()
            self._outlets = LslOutlets(identity)

    def _close_outlets(self) -> None:
        if self._outlets is not None:
            self._outlets.close()
        self._outlets = None

    def _open_journal(self) -> Journal | None:
        path = journal_path(self._config)
        if path is None:
            return None
        config = journal_config(path, self._loaded)
        return Journal(config, clock=local_clock, correction=lambda: self._source.correction_s)

    def _open_continuity(self) -> Continuity:
        path = state_folder() / f"{self._config.bed.name}.checkpoint"
        return Continuity(path, self._config.checkpoint, boot_id(), self._report_resumption)

    def _report_resumption(self, sentence: str) -> None:
        log.info("%s", sentence)
        self._note("checkpoint", {"text": sentence})

    def _note(self, kind: str, facts: Mapping[str, Any]) -> None:
        if self._journal is not None:
            self._journal.note(kind, facts, local_clock())

    def _give_up_what_is_not_resumed(self) -> None:
        """Say once that nobody saw the end of a seizure that was on when the process before was killed."""
        if self._may_resume and not self._continuity.is_pending(local_clock()):
            self._may_resume = False
            if self._journal is not None and not self._continuity.has_resumed:
                self._journal.give_up_open_seizure(local_clock())

    def _open_source(self) -> LslSource:
        return LslSource(self._config.source, self._accept)

    def _open_control(self) -> LslControl | None:
        name = self._config.session.control_stream
        return LslControl(name) if name else None

    def _close_control(self) -> None:
        if self._control is not None:
            self._control.close()

    def _monitor_config(self) -> MonitorConfig:
        return MonitorConfig(self._bundle.card.step_s, self._config.source.stall_s)

    def _shut_down(self) -> None:
        self._supervision.stopping()
        if self._outlets is not None:  # else they could not be opened anew, and nobody listens
            self._feed(Gap(self._source.newest_s, math.nan, Reset.END))
            self._monitor.stop(local_clock())
            self._look(is_ready=False)
        self._continuity.close()
        if self._journal is not None:
            self._journal.close()
        self._source.close()
        self._close_control()
        self._close_outlets()
        self._supervision.close()
        log.info("stopped")

    def _swap(self, loaded: Loaded) -> None:
        """Go on with another configuration: a new session, of the same stream where the stream is the same."""
        before = self._loaded
        self._feed(Gap(self._source.newest_s, math.nan, Reset.RELOAD))
        same_network = loaded.network is before.network
        accepted, pipeline = self._accepted, self._pipeline
        self._take_over(loaded, self._decision.record if same_network else None)
        if same_network and loaded.config.source == before.config.source:
            self._accepted = accepted
            if pipeline is not None:
                self._pipeline = Pipeline(pipeline.conditioning, loaded.network, self._decision)
        else:
            self._source.close()
            self._source = self._open_source()
        if loaded.config.session != before.config.session:
            self._close_control()
            self._control = self._open_control()
        self._open_outlets()
        self._monitor.go_on_with(self._monitor_config(), self._sinks())

    def _accept(self, description: Description) -> None:
        config = self._config.source
        self._accepted = Conditioning(self._bundle.card, description, SourceConfig(config.match, config.stand_ins))

    def _begin(self, opened: Opened) -> None:
        assert self._accepted is not None
        for note in self._accepted.montage.notes:
            log.info("montage: %s", note)
        if self._accepted.montage.missing:
            log.warning("montage: missing %s; masked", ", ".join(self._accepted.montage.missing))
        boundary = Gap(local_clock(), math.nan, opened.reason)
        if self._continuity.opened(self._loaded, opened.description, self._source):
            self._boundary = boundary  # said only if the first sample shows that the session before does not go on
        else:
            self._feed(boundary)
        self._pipeline = Pipeline(self._accepted, self._loaded.network, self._decision)

    def _feed(self, message: Chunk | Gap) -> bool:
        """Run the pipeline; what it says goes out at once. Return whether the stream can still be used."""
        stepped = False
        try:
            doubt = None if self._source.rate_is_right else Cause.VALIDATING
            for said in self._process(message):
                stepped = stepped or isinstance(said, Status)
                self._monitor.take(said, local_clock(), doubt)
                self._continuity.hear(said)
        except (StateError, BadDataError) as error:
            self._fault = f"{error}; the session is begun anew"
            for said in self._process(Gap(self._source.newest_s, math.nan, Reset.FAULT)):
                self._monitor.take(said, local_clock())
                self._continuity.hear(said)
            if isinstance(error, BadDataError):
                self._source.refuse(str(error))
                return False
        self._supervision.proof.fed(message, stepped)
        return True

    def _process(self, message: Chunk | Gap) -> Iterable[Decided]:
        if self._pipeline is not None:
            boundary, self._boundary = self._boundary, None
            taken_up = None if boundary is None else self._continuity.resume(self._pipeline, message)
            if taken_up is not None:
                self._monitor.event_id, said = taken_up
                return itertools.chain(said, self._pipeline.process(message) if isinstance(message, Chunk) else ())
            before = () if boundary is None else self._pipeline.process(boundary)
            return itertools.chain(before, self._pipeline.process(message))
        assert isinstance(message, Gap)
        return self._decision.process(message)
