from __future__ import annotations

from pathlib import Path

import pytest

from detector.state_folder import state_folder


def test_systemds_folder_goes_before_the_users() -> None:
    given = {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "XDG_STATE_HOME": "/home/x/state"}
    assert state_folder(given) == Path("/var/lib/a")


def test_the_users_folder_is_the_one_that_the_specification_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/x")
    assert state_folder({"XDG_STATE_HOME": "/state"}) == Path("/state/seizure-detector")
    assert state_folder({}) == Path("/home/x/.local/state/seizure-detector")


def test_a_relative_folder_is_ignored_as_the_specification_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/x")
    assert state_folder({"XDG_STATE_HOME": "state"}) == Path("/home/x/.local/state/seizure-detector")
