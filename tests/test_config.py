"""One file of defaults is the list of valid keys; a wrong key is named with its file and its nearest match."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from detector.config import DEFAULTS, Config, load_config, make_config
from detector.errors import ConfigError, MissingInputError

MINIMAL: dict[str, Any] = {"bed": {"name": "bed1"}, "source": {"source_id": "amp-1"}}


def _with(section: str, **values: object) -> dict[str, Any]:
    return {**MINIMAL, section: {**MINIMAL.get(section, {}), **values}}


def test_a_bed_runs_with_nothing_but_its_name_and_its_source() -> None:
    config = make_config(MINIMAL)
    assert (config.bed.name, config.source.source_id) == ("bed1", "amp-1")
    assert config.source.stall_s == 1.75


def test_the_shipped_file_has_every_key_and_no_other() -> None:
    shipped = tomllib.loads(DEFAULTS.read_text(encoding="utf-8"))
    expected = {
        name: set(field.annotation.model_fields)  # type: ignore[union-attr]
        for name, field in Config.model_fields.items()
    }
    assert {name: set(keys) for name, keys in shipped.items()} == expected


def test_every_key_of_the_shipped_file_says_why() -> None:
    for line in DEFAULTS.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith(("#", "name = ")):
            assert "#" in line, line


def test_an_unknown_key_is_named_with_file_and_nearest_match(tmp_path: Path) -> None:
    path = tmp_path / "bed1.toml"
    path.write_text('[bed]\nname = "bed1"\n[source]\nsource_id = "a"\nstall = 3.0\n')
    said = r"bed1\.toml: unknown key 'stall' in \[source\] \(did you mean 'stall_s'\?\)"
    with pytest.raises(ConfigError, match=said):
        load_config(path)


def test_an_unknown_section_is_named_with_its_nearest_match() -> None:
    with pytest.raises(ConfigError, match=r"unknown section \[sources\] \(did you mean 'source'\?\)"):
        make_config({**MINIMAL, "sources": {}})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (_with("source", stall_s="two"), r"\[source\] stall_s: .*number.*, got 'two'"),
        (_with("source", stall_s=60.0), r"\[source\] stall_s: .*less than or equal to 10, got 60"),
        (_with("source", stall_s=float("nan")), r"\[source\] stall_s"),
        (_with("source", source_id="x' or '1'='1"), r"\[source\] source_id: got .*without '"),
        (_with("source", source_id="a\nb"), r"\[source\] source_id: got .*control characters"),
        (_with("source", stall_s="3"), r"\[source\] stall_s"),
        (_with("source", replay=1), r"\[source\] replay"),
        (_with("source", max_gap_s=0.2), r"\[source\] max_gap_s"),
        (_with("session", control_stream="x' or '1'='1"), r"\[session\] control_stream: got .*without '"),
        (_with("source", unit="furlong"), r"\[source\] unit: got 'furlong'; the choices are uV"),
        (_with("source", match="position"), r"\[source\] match: .*'labels' or 'order', got 'position'"),
        (_with("bed", name="bed 1"), r"\[bed\] name: got 'bed 1'; expected 1 to 40 letters"),
        (_with("decision", onset_threshold=1.5), r"\[decision\] onset_threshold"),
        (_with("decision", onset_threshold="high"), r"\[decision\] onset_threshold: .*'card'"),
        (_with("outlets", repeat_hz=1.0), r"\[outlets\] repeat_hz: got 1; expected 0 \(off\) or 2 to 100"),
        (_with("model", engine="torch"), r"\[model\] engine: .*'auto', 'litert' or 'tensorflow', got 'torch'"),
        ({"bed": {"name": "b"}}, r"\[source\]: no stream is named; set source_id, name or predicate"),
        ({**MINIMAL, "bed": "bed1"}, r"bed is a section"),
    ],
)
def test_a_wrong_value_says_what_came_and_what_was_expected(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_config(given)


def test_a_number_overrides_the_card_and_the_word_does_not() -> None:
    config = make_config(_with("decision", onset_threshold=0.7, warm_up_s="card"))
    assert config.decision.overrides() == {"onset_threshold": 0.7}


def test_a_missing_file_and_a_broken_one_are_different_errors(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="nowhere"):
        load_config(tmp_path / "nowhere.toml")
    (tmp_path / "broken.toml").write_text("[bed\n")
    with pytest.raises(ConfigError, match=r"broken\.toml"):
        load_config(tmp_path / "broken.toml")
    (tmp_path / "latin.toml").write_bytes('[bed]\nname = "é"'.encode("latin-1"))
    with pytest.raises(ConfigError, match="UTF-8"):
        load_config(tmp_path / "latin.toml")
