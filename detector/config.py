"""A bed's configuration: ``default.toml`` overlaid with the bed's own file, validated as a whole."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import pydantic
from pydantic import Field

from detector.errors import ConfigError, MissingInputError, nearest
from detector.rights import GROUP_TOO, OWNER
from detector.units import KNOWN, microvolts_per

DEFAULTS = Path(__file__).with_name("default.toml")

M = TypeVar("M", bound=pydantic.BaseModel)

BED_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


class Section(pydantic.BaseModel):
    """A part of a configuration: unknown keys and values of another type are errors."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class Bed(Section):
    """The bed that is watched."""

    name: str

    @pydantic.field_validator("name")
    @classmethod
    def _plain(cls, value: str) -> str:
        if not BED_NAME.fullmatch(value):
            raise ValueError(
                f"got {value!r}; expected 1 to 40 letters, digits, '_' or '-', beginning with a letter or digit"
            )
        return value


class Source(Section):
    """The stream to watch and what the operator knows about it."""

    source_id: str
    name: str
    hostname: str
    predicate: str
    unit: str
    match: Literal["labels", "order"]
    stand_ins: bool
    max_gap_s: Annotated[float, Field(ge=0, le=0.1)]
    stall_s: Annotated[float, Field(ge=0.5, le=10)]
    replay: bool

    @pydantic.field_validator("source_id", "name", "hostname")
    @classmethod
    def _quotable(cls, value: str) -> str:
        # These become XPath literals, which have no escape for a quote.
        if "'" in value or any(ord(letter) < 32 for letter in value):
            raise ValueError(f"got {value!r}; expected text without ' and control characters")
        return value

    @pydantic.field_validator("unit")
    @classmethod
    def _known_unit(cls, value: str) -> str:
        if value and microvolts_per(value) is None:
            raise ValueError(f"got {value!r}; the choices are {KNOWN}")
        return value

    @pydantic.model_validator(mode="after")
    def _says_which(self) -> Source:
        if not (self.source_id or self.name or self.predicate):
            raise ValueError(
                "no stream is named; set source_id, name or predicate (`seizure-detector discover` lists the streams)"
            )
        return self


Engine: TypeAlias = Literal["auto", "litert", "tensorflow"]


class Model(Section):
    """The network and what runs it."""

    bundle: str
    engine: Engine


_OrCard: TypeAlias = Literal["card"]


class Decision(Section):
    """Departures from the card's decision."""

    smoothing_s: Annotated[float, Field(ge=0, le=60)] | _OrCard
    onset_threshold: Annotated[float, Field(gt=0, le=1)] | _OrCard
    offset_threshold: Annotated[float, Field(gt=0, le=1)] | _OrCard
    onset_hold_s: Annotated[float, Field(ge=0, le=60)] | _OrCard
    offset_hold_s: Annotated[float, Field(ge=0, le=120)] | _OrCard
    refractory_s: Annotated[float, Field(ge=0, le=600)] | _OrCard
    warm_up_s: Annotated[float, Field(ge=0, le=600)] | _OrCard
    poor_seizure_s: Annotated[float, Field(ge=0, le=300)] | _OrCard
    caution: Annotated[float, Field(ge=0, le=10)] | _OrCard
    caution_s: Annotated[float, Field(ge=1, le=3600)] | _OrCard

    def overrides(self) -> dict[str, float]:
        """Return the values that are not the card's."""
        return {key: value for key, value in self.model_dump().items() if value != "card"}


class Outlets(Section):
    """What is published beside events and status."""

    detail: bool
    codes: bool
    repeat_hz: Annotated[float, Field(ge=0, le=100)]

    @pydantic.field_validator("repeat_hz")
    @classmethod
    def _off_or_useful(cls, value: float) -> float:
        if 0 < value < 2:
            raise ValueError(f"got {value:g}; expected 0 (off) or 2 to 100 Hz")
        return value


class Session(Section):
    """How an operator begins a new session."""

    control_stream: str

    @pydantic.field_validator("control_stream")
    @classmethod
    def _quotable(cls, value: str) -> str:
        return Source._quotable(value)


class Journal(Section):
    """Where what was said is written down, and for how long."""

    path: str
    keep_days: Annotated[int, Field(ge=1, le=10_000)]
    max_mb: Annotated[int, Field(ge=1, le=100_000)]


class Checkpoint(Section):
    """What makes a restart after a crash go on where it was."""

    every_s: Annotated[float, Field(ge=0, le=60)]
    resume_within_s: Annotated[float, Field(ge=0, le=120)]

    @pydantic.field_validator("every_s")
    @classmethod
    def _off_or_useful(cls, value: float) -> float:
        if 0 < value < 0.5:
            raise ValueError(f"got {value:g}; expected 0 (off) or 0.5 to 60 s")
        return value


class Clips(Section):
    """Whether the EEG around each event is kept, and for how long."""

    path: str
    keep: Annotated[int, Field(ge=1, le=100_000)]
    keep_days: Annotated[int, Field(ge=1, le=10_000)]
    max_mb: Annotated[int, Field(ge=10, le=1_000_000)]
    memory_mb: Annotated[int, Field(ge=6, le=10_000)]


class Files(Section):
    """Who may read the journal and the clips."""

    group_can_read: bool

    @property
    def mode(self) -> int:
        """Rights of these files."""
        return GROUP_TOO if self.group_can_read else OWNER


class Health(Section):
    """Where the daemon answers how it is."""

    host: str
    port: Annotated[int, Field(ge=0, le=65535)]


class Config(Section):
    """A bed's whole configuration."""

    bed: Bed
    source: Source
    model: Model
    decision: Decision
    outlets: Outlets
    session: Session
    journal: Journal
    checkpoint: Checkpoint
    clips: Clips
    files: Files
    health: Health


def differences(before: Config, after: Config) -> Iterator[str]:
    """Yield one text for each setting that is another one."""
    old, new = before.model_dump(), after.model_dump()
    for section in new:
        for key, value in new[section].items():
            if value != old[section][key]:
                yield f"[{section}] {key} is {value!r}, was {old[section][key]!r}"


def load_config(path: Path) -> Config:
    """Return the configuration in ``path`` over the defaults.

    Raises
    ------
    MissingInputError
        When the file cannot be read.
    ConfigError
        Naming file, key, what came, what was expected and the nearest valid key.
    """
    return make_config(read_toml(path), str(path))


def read_toml(path: Path) -> dict[str, Any]:
    """Return what stands in a file; raises as `load_config`."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise MissingInputError(f"cannot read the configuration {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text: {error}") from error
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:  # the latter where brackets are nested without end
        raise ConfigError(f"{path}: {error}") from error


def make_config(given: Mapping[str, Any], origin: str = "configuration") -> Config:
    """Return the configuration in the mapping over the defaults; errors name ``origin``.

    Raises
    ------
    ConfigError
        As `load_config`.
    """
    return overlaid(Config, DEFAULTS, given, origin)


def overlaid(form: type[M], defaults: Path, given: Mapping[str, Any], origin: str) -> M:
    """Return ``given`` over the file of the defaults, which is also the list of valid keys; raises ConfigError.

    A section that the defaults have as ``[[section]]`` may be given any number of times; the one in the defaults is
    what each of them is laid over, and none by itself.
    """
    known = tomllib.loads(defaults.read_text(encoding="utf-8"))
    merged = {section: [] if isinstance(values, list) else values for section, values in known.items()}
    for section, values in given.items():
        if section not in known:
            raise ConfigError(
                f"{origin}: unknown section [{section}]{nearest(section, merged)}; the sections are {', '.join(merged)}"
            )
        if isinstance(known[section], list):
            if not isinstance(values, list):
                raise ConfigError(f"{origin}: {section} can be there several times, write [[{section}]] above its keys")
            merged[section] = [_laid_over(known[section][0], one, f"[{section}]", origin) for one in values]
        else:
            merged[section] = _laid_over(known[section], values, section, origin)
    try:
        return form.model_validate(merged)
    except pydantic.ValidationError as error:
        raise ConfigError(f"{origin}: {'; '.join(_complaints(error))}") from error


def _laid_over(known: Mapping[str, Any], given: Any, section: str, origin: str) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"{origin}: {section} is a section, write [{section}] and its keys below it")
    for key in given:
        if key not in known:
            raise ConfigError(
                f"{origin}: unknown key {key!r} in [{section}]{nearest(key, known)}; the keys are {', '.join(known)}"
            )
    return {**known, **given}


def _complaints(error: pydantic.ValidationError) -> list[str]:
    """Return one sentence for each key that is wrong, however many alternatives it failed."""
    said: dict[str, str] = {}
    for e in error.errors():
        name, *rest = e["loc"] or ("the whole",)
        section = f"[{name}]"
        if rest and isinstance(rest[0], int):
            section = f"[[{name}]] number {rest[0] + 1}"
            rest = rest[1:]
        where = f"{section} {rest[0]}" if rest else section
        message = e["msg"].removeprefix("Value error, ")
        came = "" if message.startswith("got ") or not rest else f", got {e['input']!r}"
        said[where] = f"{said[where]}, or: {message[0].lower()}{message[1:]}" if where in said else f"{message}{came}"
    return [f"{where}: {message}" for where, message in said.items()]
