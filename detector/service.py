"""The daemon's life: start-up, main loop, shutdown. Here, and in the command line, are the clock and the signals."""

from __future__ import annotations

import logging
import math
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType

from detector.background import Background
from detector.config import Config, differences
from detector.decision import Decision, Record
from detector.errors import BadDataError, ConfigError, DetectorError, StateError
from detector.loading import Loaded, load, reload
from detector.messages import Cause, Chunk, Decided, Description, Gap, Reset
from detector.monitor import Monitor, MonitorConfig
from detector.pipeline import Conditioning, Pipeline, SourceConfig
from detector.sinks.log import LogSink
from detector.sinks.lsl import LslOutlets, OutletIdentity
from detector.source.lsl import LslSource, Opened, local_clock
from detector.source.lsl_control import LslControl

log = logging.getLogger(__name__)


class Service:
    """Watches one bed until it is told to stop.

    Parameters
    ----------
    config
        The bed's configuration.
    config_path
        Where it came from, to read it again on SIGHUP.

    Raises
    ------
    ConfigError, BundleError
        At construction, before anything is published.
    """

    def __init__(self, config: Config, config_path: Path | None = None) -> None:
        self._path = config_path
        # Plain flags: a lock, which an event has, may be held by the very code that a signal interrupts.
        self._stop_asked = self._reset_asked = self._reload_asked = False
        self._is_poor = False
        self._reloading: Background[Loaded] | None = None
        self._outlets: LslOutlets | None = None
        self._take_over(load(config))

    def _take_over(self, loaded: Loaded, record: Record | None = None) -> None:
        self._loaded, self._config, self._bundle = loaded, loaded.config, loaded.bundle
        self._decision = Decision(loaded.decision, record)
        self._pipeline: Pipeline | None = None
        self._accepted: Conditioning | None = None

    def run(self, on_ready: Callable[[], None] | None = None) -> None:
        """Watch until `stop` is called; ``on_ready`` is called once the outlets stand."""
        self._start()
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
        LslOutlets(_identity(self._loaded)).close()

    def handle_signals(self) -> None:
        """SIGTERM and SIGINT stop, SIGUSR1 begins a new session, SIGHUP reads the configuration again."""

        def asks(flag: str) -> Callable[[int, FrameType | None], None]:
            return lambda _number, _frame: setattr(self, flag, True)

        signal.signal(signal.SIGTERM, asks("_stop_asked"))
        signal.signal(signal.SIGINT, asks("_stop_asked"))
        signal.signal(signal.SIGUSR1, asks("_reset_asked"))
        signal.signal(signal.SIGHUP, asks("_reload_asked"))

    def stop(self) -> None:
        """Make `run` return after the present turn."""
        self._stop_asked = True

    def turn(self) -> None:
        """Do what was asked, take what has come, say what is true."""
        if self._reload_asked and self._reloading is None:
            self._reload_asked = False
            self._begin_reload()
        if self._reloading is not None and self._reloading.wait():
            reloading, self._reloading = self._reloading, None
            self._finish_reload(reloading)
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
        obstacle = self._source.obstacle
        self._monitor.tick(local_clock(), self._source.newest_s, obstacle.cause if obstacle else None)

    def _start(self) -> None:
        outlets = self._open_outlets()
        self._source, self._control = self._open_source(), self._open_control()
        self._monitor = Monitor(self._monitor_config(), [outlets, LogSink()])
        self._monitor.start(local_clock())
        log.info("bed %s: waiting for its stream, model %s", self._config.bed.name, self._bundle.card.id)

    def _open_outlets(self) -> LslOutlets:
        identity = _identity(self._loaded)
        if self._outlets is None or identity != self._outlets.config:
            # Opened anew only when they must be: every reader loses its connection.
            self._close_outlets()
            self._outlets = LslOutlets(identity)
        return self._outlets

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

    def _shut_down(self) -> None:
        if self._outlets is not None:  # else they could not be opened anew, and nobody listens
            self._feed(Gap(self._source.newest_s, math.nan, Reset.END))
            self._monitor.stop(local_clock())
        self._source.close()
        self._close_control()
        self._close_outlets()
        log.info("stopped")

    def _begin_reload(self) -> None:
        """Validate in the background, for a model takes seconds to load and samples come meanwhile."""
        if self._path is None:
            log.warning("no configuration file to read again")
            return
        path, before = self._path, self._loaded
        self._reloading = Background(lambda: reload(path, before))

    def _finish_reload(self, reloading: Background[Loaded]) -> None:
        """Swap; a wrong file changes nothing."""
        before = self._loaded.config
        try:
            loaded = reloading.result()
            if loaded.config.bed.name != before.bed.name:
                raise ConfigError(
                    f"the bed's name changed from {before.bed.name!r} to {loaded.config.bed.name!r}; restart for that"
                )
            LslSource(loaded.config.source, self._accept).close()
            _identity(loaded)
        except DetectorError as error:
            log.error("the configuration is kept as it was: %s", error)
            return
        changes = [*differences(before, loaded.config)]
        if loaded.network is not self._loaded.network:
            changes.append(f"the network is that of {loaded.bundle.card.id} now")
        if changes:
            log.info("the configuration is taken over: %s", "; ".join(changes))
            self._swap(loaded)
        else:
            log.info("the configuration has not changed")

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
        self._monitor.go_on_with(self._monitor_config(), [self._open_outlets(), LogSink()])

    def _accept(self, description: Description) -> None:
        config = self._config.source
        self._accepted = Conditioning(self._bundle.card, description, SourceConfig(config.match, config.stand_ins))

    def _begin(self, opened: Opened) -> None:
        assert self._accepted is not None
        for note in self._accepted.montage.notes:
            log.info("montage: %s", note)
        if self._accepted.montage.missing:
            log.warning("montage: missing %s; masked", ", ".join(self._accepted.montage.missing))
        self._feed(Gap(local_clock(), math.nan, opened.reason))
        self._pipeline = Pipeline(self._accepted, self._loaded.network, self._decision)

    def _feed(self, message: Chunk | Gap) -> bool:
        """Run the pipeline; what it says goes out at once. Return whether the stream can still be used."""
        try:
            doubt = None if self._source.rate_is_right else Cause.VALIDATING
            for said in self._process(message):
                self._monitor.take(said, local_clock(), doubt)
        except (StateError, BadDataError) as error:
            log.error("the session is begun anew: %s", error)
            for said in self._process(Gap(self._source.newest_s, math.nan, Reset.FAULT)):
                self._monitor.take(said, local_clock())
            if isinstance(error, BadDataError):
                self._source.refuse(str(error))
                return False
        self._tell_faults()
        return True

    def _tell_faults(self) -> None:
        was_poor, self._is_poor = self._is_poor, self._monitor.status.cause is Cause.POOR
        if self._is_poor and not was_poor and self._pipeline is not None:
            faults = self._pipeline.conditioning.faults
            log.warning("too few good channels: %s", ", ".join(f"{name} {fault}" for name, fault in faults.items()))

    def _process(self, message: Chunk | Gap) -> Iterable[Decided]:
        if self._pipeline is not None:
            return self._pipeline.process(message)
        assert isinstance(message, Gap)
        return self._decision.process(message)


def _identity(loaded: Loaded) -> OutletIdentity:
    """Return who the outlets say they are; raises ConfigError where the model and the outlets do not go together."""
    config, card = loaded.config, loaded.bundle.card
    seen_samples = card.features.power_samples or card.frame_samples
    return OutletIdentity(
        bed=config.bed.name,
        step_s=card.step_s,
        model_id=card.id,
        model_sha256=loaded.bundle.sha256,
        montage=card.montage,
        derivations=card.derivations,
        source_name=config.source.name,
        source_id=config.source.source_id,
        source_hostname=config.source.hostname,
        algorithmic_delay_s=seen_samples / 2 / card.rate_hz + loaded.decision.smoothing_s,
        detail=config.outlets.detail,
        codes=config.outlets.codes,
        repeat_hz=config.outlets.repeat_hz,
    )
