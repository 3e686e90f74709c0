"""The daemon's life: start-up, main loop, shutdown. Here, and in the command line, are the clock and the signals."""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

from detector.conditions import Kind
from detector.config import Config
from detector.decision import Decision, Record
from detector.errors import BadDataError, StateError
from detector.keeping import Keeping
from detector.loading import Loaded, load
from detector.messages import Cause, Chunk, Condition, Decided, Description, Gap, Reset, Status
from detector.monitor import Monitor, MonitorConfig, Sink
from detector.pipeline import Conditioning, Pipeline, SourceConfig
from detector.reloading import Reloading
from detector.rest import Rest
from detector.sd_notify import Notifier
from detector.sinks.identity import outlet_identity
from detector.sinks.log import LogSink
from detector.sinks.lsl import LslOutlets
from detector.source.lsl import LslSource, local_clock
from detector.source.lsl_control import LslControl
from detector.source.said import Opened
from detector.supervision import Supervision

log = logging.getLogger(__name__)

# Threads of liblsl's send what is said. Where the program is given little of a processor they wait behind this one,
# which would not rest before it has worked off what has come.
_SENDING_S = 0.005


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
        self._rest = Rest()
        self._reloading = Reloading(config_path)
        self._fault = ""
        self._notifier = notifier or Notifier({})
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
        try:
            self._monitor.start(local_clock())
            self._tell_settings()
            self._supervision.ready()
            if on_ready is not None:
                on_ready()
            while not self._stop_asked:
                self.turn()
        except BaseException as error:
            self._shut_down(error)
            raise
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
        on(signal.SIGHUP, self.read_again)

    def stop(self) -> None:
        """Make `run` return after the present turn."""
        self._stop_asked = True
        self._rest.end()

    def begin_session(self) -> None:
        """Forget all that belongs to the session at the next turn."""
        self._reset_asked = True
        self._rest.end()

    def read_again(self) -> None:
        """Begin to read the configuration again at the next turn."""
        self._reloading.ask()
        self._rest.end()

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
        if self._rest.take(self._source.rest_s(needed)):
            return  # what was asked for by a signal comes first
        for message in self._source.poll(needed):
            self._keeping.see(message)
            if isinstance(message, Opened):
                self._begin(message)
                continue
            if isinstance(message, Chunk):
                self._say_what_stands()  # first: a starved program takes seconds for what follows
            if not self._feed(message):
                break  # what came with it is of a stream that has just been refused
        self._keeping.give_up_what_is_not_resumed(self._monitor.event_id)
        self._say_what_stands()
        self._look()
        self._say_what_stands()
        if self._pipeline is not None:  # last, for the thread that writes it down needs the interpreter, too
            kept = self._loaded, self._pipeline, self._source, self._monitor.event_id
            self._keeping.continuity.keep(*kept, time.monotonic())

    def _say_what_stands(self) -> None:
        obstacle, before_s = self._source.obstacle, self._monitor.published_s
        self._monitor.tick(local_clock(), self._source.newest_s, obstacle.cause if obstacle else None)
        if self._monitor.published_s != before_s:
            self._let_it_be_sent()

    def _let_it_be_sent(self) -> None:
        if local_clock() - self._source.newest_s > self._config.source.stall_s:
            time.sleep(_SENDING_S)

    def _look(self, *, is_ready: bool = True) -> None:
        faults = {} if self._pipeline is None else self._pipeline.conditioning.faults
        troubles = {
            Kind.FAULT: self._fault if self._monitor.status.cause is Cause.FAULT else None,
            Kind.CONFIG: self._reloading.trouble,
            Kind.HEALTH: self._supervision.health.problem,
            **self._keeping.troubles,
        }
        self._supervision.look(self._loaded, self._source, self._monitor, faults, troubles, is_ready=is_ready)

    def _start(self) -> None:
        self._open_outlets()
        self._supervision = Supervision(self._config, self._notifier)
        self._source, self._control = self._open_source(), self._open_control()
        self._keeping = Keeping(self._loaded, correction=lambda: self._source.correction_s)
        self._monitor = Monitor(self._monitor_config(), self._sinks())
        log.info("bed %s: waiting for its stream, model %s", self._config.bed.name, self._bundle.card.id)

    def _sinks(self) -> list[Sink]:
        assert self._outlets is not None
        sinks: list[Sink] = [self._outlets, LogSink(), self._supervision.health]
        return [*sinks, *self._keeping.sinks]

    def _open_outlets(self) -> None:
        identity = outlet_identity(self._loaded)
        if self._outlets is None or identity != self._outlets.config:
            # Opened anew only when they must be: every reader loses its connection.
            self._close_outlets()
            self._outlets = LslOutlets(identity)

    def _tell_settings(self) -> None:
        # Not in the metadata: they stay as an outlet was opened, and one that is opened anew loses its readers.
        assert self._outlets is not None
        self._outlets.tell_settings(asdict(self._loaded.decision))

    def _close_outlets(self) -> None:
        if self._outlets is not None:
            self._outlets.close()
        self._outlets = None

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

    def _shut_down(self, error: BaseException | None = None) -> None:
        """Say that nothing is watched any more, and close; each step is done whatever becomes of those before it."""
        with contextlib.ExitStack() as steps:  # which are done in reverse order
            steps.callback(self._supervision.close)
            steps.callback(self._close_outlets)
            steps.callback(self._close_control)
            steps.callback(self._source.close)
            steps.callback(self._keeping.close)
            if self._outlets is not None:  # else they could not be opened anew, and nobody listens
                steps.callback(self._say_the_end)
            if error is None:
                steps.callback(self._end_session)
            else:
                steps.callback(self._keeping.fail, error)
            steps.callback(self._supervision.stopping)
        log.info("stopped")

    def _say_the_end(self) -> None:
        self._monitor.stop(local_clock())
        self._look(is_ready=False)

    def _end_session(self) -> None:
        self._feed(Gap(self._source.newest_s, math.nan, Reset.END))
        self._keeping.give_up_what_is_not_resumed(self._monitor.event_id, at_once=True)

    def _swap(self, loaded: Loaded) -> None:
        """Go on with another configuration: a new session, of the same stream where the stream is the same."""
        before = self._loaded
        self._keeping.note_reload(before, loaded)
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
        self._keeping.take_over(loaded)
        self._monitor.go_on_with(self._monitor_config(), self._sinks())
        self._tell_settings()

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
        if self._keeping.continuity.opened(self._loaded, opened.description, self._source, local_clock()):
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
                self._keeping.continuity.hear(said)
                self._let_it_be_sent()
        except (StateError, BadDataError) as error:
            self._fault = f"{error}; the session is begun anew"
            for said in self._process(Gap(self._source.newest_s, math.nan, Reset.FAULT)):
                self._monitor.take(said, local_clock())
                self._keeping.continuity.hear(said)
            if isinstance(error, BadDataError):
                self._source.refuse(str(error))
                return False
        self._supervision.proof.fed(message, stepped)
        return True

    def _process(self, message: Chunk | Gap) -> Iterable[Decided]:
        if self._pipeline is not None:
            boundary, self._boundary = self._boundary, None
            taken_up = None if boundary is None else self._keeping.continuity.resume(self._pipeline, message)
            if taken_up is not None:
                self._monitor.event_id, said = taken_up
                return itertools.chain(said, self._pipeline.process(message) if isinstance(message, Chunk) else ())
            before = () if boundary is None else self._pipeline.process(boundary)
            return itertools.chain(before, self._pipeline.process(message))
        assert isinstance(message, Gap)
        return self._decision.process(message)
