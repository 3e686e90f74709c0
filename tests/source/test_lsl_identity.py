"""Another machine is not taken for the one that was believed, and a double of the watched stream is found."""

from __future__ import annotations

import uuid

import pylsl
import pytest

from detector.errors import BadDataError
from detector.messages import Description
from detector.source.lsl_identity import Doubles, require_same_host
from tests.live import until


def _on(hostname: str) -> Description:
    return Description(("FP1-F7",), 256.0, (1.0,), ("uV",), "amp", "amp-1", "uid", hostname)


def test_a_sender_on_another_machine_is_refused_and_told_how_to_be_let_in() -> None:
    with pytest.raises(BadDataError, match=r"'b', it was 'a' before.*set hostname = 'b'"):
        require_same_host(_on("a"), _on("b"), "")


def test_the_first_the_same_and_the_pinned_machine_are_let_in() -> None:
    require_same_host(None, _on("a"), "")
    require_same_host(_on("a"), _on("a"), "")
    require_same_host(_on("a"), _on("b"), "b")


def test_a_double_of_the_watched_stream_is_told_with_its_name_until_it_has_gone() -> None:
    source_id = uuid.uuid4().hex
    outlets = [pylsl.StreamOutlet(pylsl.StreamInfo(f"amp{i}", "EEG", 1, 256, "float32", source_id)) for i in range(2)]
    mine = outlets[0].get_info().uid()
    doubles = Doubles(f"source_id='{source_id}'")

    def asked_again() -> str:
        doubles._ask_at = 0.0
        return doubles.look(mine)

    until(asked_again, 15, "the double is told")
    assert "1 more stream of the identity that is watched" in doubles.text
    assert "'amp1'" in doubles.text
    assert "'amp0'" not in doubles.text
    del outlets[1]
    until(lambda: not asked_again(), 15, "the double has gone")


@pytest.mark.parametrize(
    ("pinned", "told"),
    [
        ("", "The first one goes on being watched; stop the other, or set hostname in [source]"),
        ("here", "The first one goes on being watched; stop the other"),
        ("elsewhere", "They are strangers, for the only machine is 'elsewhere'; stop them"),
    ],
)
def test_what_is_to_be_done_about_a_double_depends_on_whose_it_can_be(pinned: str, told: str) -> None:
    double = pylsl.StreamOutlet(pylsl.StreamInfo("double", "EEG", 1, 256, "float32", "a")).get_info()
    doubles = Doubles("source_id='a'", pinned.replace("here", double.hostname()) if pinned == "here" else pinned)
    assert doubles._told([double]).endswith(told)
    assert doubles._told([]) == ""


def test_doubles_that_cannot_be_looked_for_now_are_looked_for_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    doubles = Doubles("source_id='a'")
    answers: list[Exception | list[pylsl.StreamInfo]] = [RuntimeError("no more threads")]
    answers.append([pylsl.StreamInfo("double", "EEG", 1, 256, "float32", "a")])

    def ask(*_: object, **__: object) -> list[pylsl.StreamInfo]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr("detector.source.lsl_identity.pylsl.resolve_bypred", ask)

    def asked_again() -> str:
        doubles._ask_at = 0.0
        return doubles.look("mine")

    until(asked_again, 15, "the double is told")
    assert "cannot look for doubles (no more threads)" in caplog.text
