"""Each error has the exit code that service managers and scripts rely on, and near misses are named."""

from __future__ import annotations

import pytest

from detector import errors
from detector.errors import DetectorError, nearest

CODES = {
    "DetectorError": 70,
    "UsageError": 64,
    "BadDataError": 65,
    "MissingInputError": 66,
    "NoStreamError": 69,
    "ConfigError": 78,
    "BundleError": 78,
    "EngineError": 78,
    "StateError": 70,
    "CheckpointError": 70,
}


def test_every_error_has_its_code_of_sysexits() -> None:
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, DetectorError)]
    assert {c.__name__: c.exit_code for c in classes} == CODES


@pytest.mark.parametrize(("word", "said"), [("hop_sampels", " (did you mean 'hop_samples'?)"), ("xyz", ""), ("", "")])
def test_the_nearest_choice_is_named_if_it_is_near(word: str, said: str) -> None:
    assert nearest(word, ["hop_samples", "frame_samples"]) == said
