"""What a running bed cannot take over is refused before anything is closed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from detector.config import make_config
from detector.errors import ConfigError
from detector.loading import load
from detector.reloading import _require_possible

GIVEN = {"bed": {"name": "bed1"}, "source": {"source_id": "amp"}}


@pytest.mark.parametrize(
    ("section", "values"),
    [("journal", {"path": "off"}), ("files", {"group_can_read": True}), ("health", {"port": 9000})],
)
def test_what_is_opened_once_needs_a_restart(section: str, values: dict[str, object]) -> None:
    before = load(make_config(GIVEN))
    after = replace(before, config=make_config({**GIVEN, section: values}))
    _require_possible(before, before)
    with pytest.raises(ConfigError, match=rf"\[{section}\] changed, .* restart for that"):
        _require_possible(before, after)
