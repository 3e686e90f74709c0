"""The streams in reach, pushed by another process: what fits, what does not, and who says he is somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from detector.config import Config, make_config
from detector.doctor.finding import Finding, Level
from detector.doctor.lsl_streams import source, streams
from detector.errors import ConfigError
from detector.source.lsl_discover import Found, discover
from tests.doctor.amplifiers import amplifiers

GOOD = {"name": "good", "source_id": "doc-good"}
STREAMS = (
    GOOD,
    {"name": "twin", "source_id": "doc-twin"},
    {"name": "twin", "source_id": "doc-twin"},
    {"name": "furlong", "source_id": "doc-furlong", "unit": "furlong"},
    {"name": "unlabelled", "source_id": "doc-unlabelled", "labels": False},
    {"name": "few", "source_id": "doc-few", "n": 8},
    {"name": "masked", "source_id": "doc-masked", "n": 21},
    {"name": "nameless", "source_id": ""},
    {"name": "silent", "source_id": "doc-silent", "silent": True},
    {"name": "late", "source_id": "doc-late", "late_s": 5.0},
    {"name": "markers", "source_id": "doc-markers", "type": "Other"},
    {"name": "bed9-status", "source_id": "seizure-detector:bed9:status", "type": "Probability"},
)


@pytest.fixture(scope="module", autouse=True)
def _streaming() -> Iterator[None]:
    with amplifiers(*STREAMS):
        yield


def bed(**of_source: Any) -> Config:
    return make_config({"bed": {"name": "bed1"}, "source": of_source})


def of(findings: list[Finding], check: str) -> Finding:
    [found] = [finding for finding in findings if finding.check == check]
    return found


@pytest.fixture(scope="module")
def found() -> list[Found]:
    names = {stream["name"] for stream in STREAMS}
    return [one for one in discover(2.0) if one.name in names]


@pytest.fixture
def listed(found: list[Found], monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    monkeypatch.setattr("detector.doctor.lsl_streams.discover", lambda _timeout_s: found)
    return list(streams(None, bed(source_id="none")))


def test_every_stream_has_a_line_with_its_clock(listed: list[Finding]) -> None:
    shown = [finding for finding in listed if finding.check.startswith("stream ")]
    assert len(shown) == len(STREAMS)
    assert all(" s off" in finding.text for finding in shown)


def test_what_fits_the_model_is_told_from_what_does_not(listed: list[Finding]) -> None:
    good = of(listed, "stream 'good'")
    assert (good.level, good.advice) == (Level.OK, "")
    assert good.text.endswith("fits chb-lstm-2")
    for name, why in (("furlong", "furlong"), ("unlabelled", "no labels"), ("few", "T8"), ("silent", "it is silent")):
        bad = of(listed, f"stream {name!r}")
        assert (bad.level, bool(bad.advice)) == (Level.WARN, True)
        assert f"does not fit chb-lstm-2: {why}" in bad.text or why in bad.text


def test_what_is_no_eeg_is_nobodys_fault(listed: list[Finding]) -> None:
    assert of(listed, "stream 'markers'").level is Level.OK
    assert of(listed, "stream 'bed9-status'").text.endswith("a detector's own")


def test_an_identity_that_two_streams_claim_fails(listed: list[Finding]) -> None:
    double = of(listed, "source ids")
    assert double.level is Level.FAIL
    assert double.text.startswith("2 streams say they are 'doc-twin': 'twin' on ")
    assert "hostname" in double.advice


def test_of_a_bed_only_its_own_stream_is_a_matter_for_warnings(
    found: list[Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detector.doctor.lsl_streams.discover", lambda _timeout_s: found)
    of_bed = streams(bed(source_id="doc-good"), bed(source_id="doc-good"))
    assert {finding.check for finding in of_bed if finding.level is not Level.OK} == {"source ids"}


def test_that_nothing_is_in_reach_is_a_warning_with_what_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.doctor.lsl_streams.discover", lambda _timeout_s: [])
    [nothing] = streams(None, bed(source_id="none"))
    assert nothing.level is Level.WARN
    assert "multicast" in nothing.advice


SOURCES: dict[str, dict[str, str]] = {
    "good": {"source_id": "doc-good"},
    "nobody": {"source_id": "doc-nobody"},
    "elsewhere": {"source_id": "doc-good", "hostname": "another-machine"},
    "twin": {"source_id": "doc-twin"},
    "furlong": {"source_id": "doc-furlong"},
    "unlabelled": {"source_id": "doc-unlabelled"},
    "few": {"source_id": "doc-few"},
    "masked": {"source_id": "doc-masked"},
    "another unit": {"source_id": "doc-good", "unit": "mV"},
    "no EEG": {"source_id": "doc-markers"},
    "late": {"source_id": "doc-late"},
    "silent": {"source_id": "doc-silent"},
    "nameless": {"name": "nameless"},
}


@pytest.fixture(scope="module")
def examined() -> dict[str, list[Finding]]:
    """Examine all of them at the same time: each takes some seconds, most of them of waiting."""
    with ThreadPoolExecutor(len(SOURCES)) as pool:
        return dict(zip(SOURCES, pool.map(lambda wanted: list(source(bed(**wanted))), SOURCES.values()), strict=True))


def test_a_source_that_is_as_it_should_be_passes_and_is_to_be_pinned(examined: dict[str, list[Finding]]) -> None:
    found = examined["good"]
    assert [finding.check for finding in found] == ["source", "source montage", "source samples", "source clock"]
    assert [finding.level for finding in found] == [Level.WARN, Level.OK, Level.OK, Level.OK]
    assert "microvolts" in found[1].text
    assert "set hostname = '" in found[0].advice
    hostname = found[0].advice.split("'")[1]
    pinned = next(iter(source(bed(source_id="doc-good", hostname=hostname))))
    assert pinned.level is Level.OK


@pytest.mark.parametrize(
    ("name", "check", "level", "said"),
    [
        ("nobody", "source", Level.WARN, "no stream matches source_id='doc-nobody'"),
        ("elsewhere", "source", Level.FAIL, "expected 'another-machine' (hostname in [source])"),
        ("twin", "source", Level.FAIL, "2 streams match source_id='doc-twin', expected one: 'twin' on "),
        ("nameless", "source", Level.WARN, "has no source_id"),
        ("furlong", "source montage", Level.FAIL, "furlong"),
        ("unlabelled", "source montage", Level.FAIL, "does not fit chb-lstm-2"),
        ("few", "source montage", Level.FAIL, "units: microvolts"),
        ("masked", "source montage", Level.WARN, "missing "),
        ("another unit", "source metadata", Level.FAIL, "the configuration says 'mV'"),
        ("no EEG", "source metadata", Level.FAIL, "its type is 'Other', expected 'EEG'"),
        ("late", "source samples", Level.FAIL, "old when they arrive, expected 1.75 s at most"),
        ("silent", "source samples", Level.WARN, "none in 3 s"),
    ],
)
def test_a_source_that_is_not_as_it_should_be_says_so_in_the_daemons_words(
    examined: dict[str, list[Finding]], name: str, check: str, level: Level, said: str
) -> None:
    one = of(examined[name], check)
    assert one.level is level
    assert said in one.text
    assert one.advice


def test_a_broken_model_hides_nothing_of_the_streams(
    found: list[Found], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("detector.doctor.lsl_streams.discover", lambda _timeout_s: found)
    broken = make_config(
        {"bed": {"name": "b"}, "source": {"source_id": "doc-good"}, "model": {"bundle": f"{tmp_path}/none"}}
    )
    of_source = list(source(broken))
    assert of(of_source, "source montage").level is Level.FAIL
    assert of(of_source, "source samples").level is Level.OK
    assert len(list(streams(broken, broken))) == len(STREAMS) + 1


def test_a_predicate_that_is_none_is_an_error() -> None:
    with pytest.raises(ConfigError, match="predicate"):
        list(source(bed(predicate="][")))
