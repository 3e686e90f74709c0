"""What is fuzzed: readers of bytes that somebody else wrote, each with inputs to begin with; see fuzz.py."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import itertools
import logging
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pylsl
from pylsl.lib import lib

from detector.checkpoint import Checkpoint, decoded
from detector.conditioning.montage import Montage, MontageConfig
from detector.config import DEFAULTS, load_config
from detector.decision import Decision, DecisionConfig
from detector.errors import DetectorError
from detector.journal_export import write_csv, write_edf
from detector.journal_reading import JournalReader
from detector.journal_spans import watches_of
from detector.network.bundle import installed_bundles, load_bundle
from detector.source import edf as edf  # which are imported late otherwise, when nothing is instrumented any more
from detector.source import xdf as xdf
from detector.source.lsl_describe import describe
from detector.source.recording import events_in, open_recording

logging.disable()
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))
DECISION = DecisionConfig(1, 0, 0.6, 0.4, 2, 3, 0, 5, 16, 4)
HEAD = b"seizure-detector checkpoint 2 "


def file_of(name: str, data: bytes) -> Path:
    path = FOLDER / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def config(data: bytes) -> None:
    load_config(file_of("bed.toml", data))


def card(data: bytes) -> None:
    load_bundle(str(file_of("bundle/card.toml", data).parent))


def checkpoint(data: bytes) -> None:
    """Read it with a checksum that is made to fit, as that guards against damage only."""
    found = decoded(HEAD + hashlib.sha256(data).hexdigest().encode() + b"\n" + data)
    Decision(DECISION).set_state(found.pipeline.get("decision"))


def journal(data: bytes) -> None:
    path = file_of("bed.journal.sqlite", data)
    with closing(JournalReader(path)) as reader:
        watches = watches_of(reader.rows(), reader.alive)
    if watches:
        write_csv(FOLDER / "said.csv", watches)
        write_edf(FOLDER / "said.edf", watches)


def stream(data: bytes) -> None:
    handle = lib.lsl_streaminfo_from_xml(ctypes.c_char_p(data))
    if not handle:
        return
    description = describe(pylsl.StreamInfo(handle=handle))
    for text in (*description.labels, *description.units, description.name, description.source_id):
        assert text.isprintable()
    for match in ("labels", "order"):
        Montage(MontageConfig("chb-mit-22", 16, match), description)


def recording(suffix: str, data: bytes) -> None:
    opened = open_recording(file_of(f"a.{suffix}", data))
    for _message in itertools.islice(opened.messages(), 8):
        pass


def events(data: bytes) -> None:
    for found in events_in(file_of("a_events.tsv", data)):
        assert isinstance(found.is_seizure, bool)


def only_documented(read: Callable[[bytes], None]) -> Callable[[bytes], None]:
    @functools.wraps(read)
    def reader(data: bytes) -> None:
        with suppress(DetectorError):
            read(data)

    return reader


READERS = {
    name: only_documented(read)
    for name, read in {
        "config": config,
        "card": card,
        "checkpoint": checkpoint,
        "journal": journal,
        "stream": stream,
        "edf": lambda data: recording("edf", data),
        "bdf": lambda data: recording("bdf", data),
        "xdf": lambda data: recording("xdf", data),
        "events": events,
    }.items()
}
lib.lsl_streaminfo_from_xml.restype = ctypes.c_void_p


def seeds(target: str) -> list[bytes]:
    """Return inputs that are read without an error."""
    match target:
        case "config":
            return [b'[bed]\nname = "a"\n[source]\nsource_id = "b"\n', DEFAULTS.read_bytes()]
        case "card":
            return [(folder / "card.toml").read_bytes() for folder in installed_bundles().values()]
        case "checkpoint":
            state = Decision(DECISION).get_state()
            return [Checkpoint({}, 1.0, "", 0, {}, {"decision": state}).encoded().partition(b"\n")[2]]
        case "journal":
            from tests.journals import Bed

            bed = Bed(FOLDER / "seed.journal.sqlite")
            bed.start()
            bed.say("non-seizure", 3)
            bed.declare(1)
            bed.say("seizure", 3)
            bed.stop()
            return [bed.path.read_bytes()]
        case "stream":
            info = pylsl.StreamInfo("a", "EEG", 4, 256, "float32", "b")
            channels = info.desc().append_child("channels")
            for label, unit in (("FP1-F7", "uV"), ("F7-T7", "µV"), ("T7-P7", "mV"), ("P7-O1", "-6")):
                channels.append_child("channel").append_child_value("label", label).append_child_value("unit", unit)
            text: str = info.as_xml()  # of an outlet it would have an uid
            return [text.replace("<uid></uid>", "<uid>1</uid>").replace("<uid />", "<uid>1</uid>").encode()]
        case "events":
            return [b"onset\tduration\teventType\n1.5\t20\tsz\n3\tn/a\tbckg\n"]
    return [recording_seed(target)]


def recording_seed(suffix: str) -> bytes:
    import numpy as np
    from edfio import Bdf, BdfSignal, Edf, EdfAnnotation, EdfSignal

    path, noise = FOLDER / f"seed.{suffix}", np.random.default_rng(0).normal(0, 40, 64)
    if suffix == "xdf":
        from tests.source.xdf_writer import XdfStream, write_xdf

        write_xdf(path, XdfStream("a", noise[:, None].astype(np.float32), np.arange(64) / 100, labels=["FP1-F7"]))
    elif suffix == "bdf":
        Bdf([BdfSignal(noise, 64, label="A", physical_dimension="uV", physical_range=(-400, 400))]).write(path)
    else:
        signal = EdfSignal(noise, 64, label="A", physical_dimension="uV", physical_range=(-400, 400))
        Edf([signal], annotations=[EdfAnnotation(0, 1, "sz")]).write(path)
    return path.read_bytes()
