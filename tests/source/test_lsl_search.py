"""Which stream is meant: what was refused is left out until it is restarted, and what liblsl refuses is told."""

from __future__ import annotations

import logging
import socket
import uuid
from typing import Any

import pylsl
import pytest

from detector.config import make_config
from detector.errors import ConfigError, DetectorError
from detector.source.lsl_search import LslSearch


def _search(**keys: Any) -> LslSearch:
    return LslSearch(make_config({"bed": {"name": "b"}, "source": keys}).source)


class Resolver:
    """Lists what it is given."""

    def __init__(self, infos: list[pylsl.StreamInfo]) -> None:
        self.infos = infos

    def results(self) -> list[pylsl.StreamInfo]:
        return self.infos


def _infos(n: int) -> list[pylsl.StreamInfo]:
    """Return the infos of outlets that lived for a moment, each with a uid of its own."""
    return [
        pylsl.StreamOutlet(pylsl.StreamInfo(f"s{i}", "EEG", 1, 256, "float32", f"s{i}")).get_info() for i in range(n)
    ]


def test_everything_that_is_set_must_match() -> None:
    search = _search(source_id="a", name="b", predicate="starts-with(name, 'b')")
    assert search.predicate == "source_id='a' and name='b' and (starts-with(name, 'b'))"


def test_a_stream_on_another_machine_than_the_pinned_one_is_refused_with_both_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here, [info] = socket.gethostname(), _infos(1)
    search = _search(source_id="a", hostname="other-machine")
    monkeypatch.setattr(search, "_resolver", Resolver([info]))
    assert search.found() == []
    assert search.refused_here is not None
    assert f"its machine is {here!r}, expected 'other-machine'" in search.refused_here[1]
    search = _search(source_id="a", hostname=here)
    monkeypatch.setattr(search, "_resolver", Resolver([info]))
    assert search.found() == [info]


def test_a_refused_stream_is_left_out_and_its_reason_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    search, (one, other) = _search(source_id="a"), _infos(2)
    monkeypatch.setattr(search, "_resolver", Resolver([one, other]))
    assert search.found() == [one, other]
    search.refuse(one.uid(), "no unit")
    assert search.found() == [other]
    assert search.refused_here == (one, "no unit")
    search._resolver = Resolver([other])
    assert search.found() == [other]
    assert search.refused_here is None


def test_what_is_listed_must_be_so_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr("detector.source.lsl_search.time.monotonic", lambda: now_s[0])
    search, (one, other) = _search(source_id="a"), _infos(2)
    resolver = Resolver([one])
    monkeypatch.setattr(search, "_resolver", resolver)
    search.found()
    now_s[0] += 1.1
    search.found()
    assert search.settled
    resolver.infos = [one, other]
    search.found()
    assert not search.settled, "another one has shown up"


def test_what_is_remembered_of_refusals_has_an_end() -> None:
    search = _search(source_id="a")
    for i in range(1000):
        search.refuse(f"uid {i}", "wrong")
    assert len(search._refused) == 100
    assert "uid 999" in search._refused


def test_a_predicate_that_is_none_is_the_configurations_fault_and_what_fails_later_is_not(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ConfigError, match="is no XPath predicate"):
        _search(predicate="name='x")
    search = _search(source_id=uuid.uuid4().hex)
    search.rest()

    def fails(**_: Any) -> None:
        raise RuntimeError("no more threads")

    monkeypatch.setattr("detector.source.lsl_search.pylsl.ContinuousResolver", fails)
    caplog.set_level(logging.ERROR)
    assert search.found() == []
    assert "cannot look for streams (no more threads)" in caplog.text


def test_where_liblsl_cannot_look_at_all_no_predicate_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("no more threads")

    monkeypatch.setattr("detector.source.lsl_search.pylsl.ContinuousResolver", fail)
    with pytest.raises(DetectorError, match=r"cannot look for streams \(no more threads\)") as caught:
        _search(source_id="amp")
    assert caught.value.exit_code == 70


def test_a_search_that_can_hear_no_answer_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("detector.source.lsl_search.search_ports_used_up", lambda: "no UDP port is free")
    _search(source_id="a")
    assert "streams may not be found: no UDP port is free" in caplog.text
