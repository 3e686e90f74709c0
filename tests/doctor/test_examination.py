"""All checks at once: each has its line, none is waited for without end, and one that breaks hides no other."""

from __future__ import annotations

import builtins
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.config import Config
from detector.doctor import examination
from detector.doctor.examination import DEADLINE_S, examine
from detector.doctor.finding import Finding, Level, ok
from detector.errors import ConfigError

Checks = Iterator[tuple[str, examination._Check]]
ENDLESS = threading.Event()


@pytest.fixture(autouse=True)
def _release() -> Iterator[None]:
    ENDLESS.clear()
    yield
    ENDLESS.set()


def use(monkeypatch: pytest.MonkeyPatch, **checks: examination._Check) -> None:
    def given(path: Path | None, config: Config | None) -> Checks:
        yield from checks.items()

    monkeypatch.setattr("detector.doctor.examination._checks", given)


def hang() -> list[Finding]:
    ENDLESS.wait(60)
    return []


def test_a_check_that_does_not_end_is_given_up_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, **{f"endless {number}": hang for number in range(20)}, last=lambda: [ok("last", "well")])
    began = time.monotonic()
    *given_up, last = examine(None, deadline_s=0.2)
    assert time.monotonic() - began < 20
    assert {(one.level, one.text) for one in given_up} == {(Level.FAIL, "no answer within 0.2 s")}
    assert (len(given_up), last.level) == (20, Level.OK)
    assert DEADLINE_S < 20


def test_what_a_check_raises_is_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> list[Finding]:
        raise ConfigError("expected another thing")

    def break_() -> Iterator[Finding]:
        yield ok("half", "said")
        raise ZeroDivisionError("by zero")

    use(monkeypatch, refuse=refuse, broken=break_, well=lambda: [ok("well", "well")])
    found = list(examine(None))
    assert [(one.check, one.level) for one in found] == [("refuse", "fail"), ("broken", "fail"), ("well", "ok")]
    assert found[0].text == "expected another thing"
    assert "ZeroDivisionError: by zero" in found[1].text


def test_a_configuration_that_is_wrong_fails_and_the_rest_is_examined(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch, well=lambda: [ok("well", "well")])
    path = tmp_path / "bed1.toml"
    for text, mode, said in (
        ('[bed]\nname = "bed1"\n[sorce]\n', 0o600, "unknown section [sorce] (did you mean 'source'?)"),
        ('[bed]\nname = "bed1"\n[source]\nsource_id = "a"\n', 0o666, "may be written by everybody"),
        (None, 0, "cannot read the configuration"),
    ):
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
            path.chmod(mode)
        configuration, well = examine(path)
        assert (configuration.check, configuration.level, well.level) == ("configuration", Level.FAIL, Level.OK)
        assert said in configuration.text


def test_without_liblsl_what_it_is_needed_for_is_one_line_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    really = builtins.__import__

    def without(name: str, *arguments: object, **more: object) -> object:
        if name == "detector.doctor" and arguments[2] == ("lsl", "lsl_streams"):
            raise RuntimeError("LSL binary library file was not found.\n Please")
        return really(name, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("builtins.__import__", without)
    [(name, check)] = examination._lsl_checks(None, None)  # type: ignore[arg-type]
    [found] = check()
    assert (name, found.level) == ("liblsl", Level.FAIL)
    assert found.text == "LSL binary library file was not found. Please"
    assert "PYLSL_LIB" in found.advice
