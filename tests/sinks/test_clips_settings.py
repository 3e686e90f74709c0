"""Clips lie beside the journal unless the configuration says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.config import make_config
from detector.errors import ConfigError
from detector.sinks.clips_settings import clips_folder

BED = {"bed": {"name": "bed1"}, "source": {"source_id": "amp"}}


def test_they_are_in_the_state_folder_of_the_bed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    assert clips_folder(make_config(BED)) == tmp_path / "clips" / "bed1"


def test_they_may_be_elsewhere_or_nowhere() -> None:
    assert clips_folder(make_config({**BED, "clips": {"path": "/srv/clips"}})) == Path("/srv/clips")
    assert clips_folder(make_config({**BED, "clips": {"path": "off"}})) is None


@pytest.mark.parametrize("given", [{"keep": 0}, {"keep_days": 0}, {"max_mb": 1}, {"memory_mb": 1}, {"keeep": 3}])
def test_what_makes_no_sense_is_refused(given: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(given))):
        make_config({**BED, "clips": given})
