"""What a service runs on is checked as a whole, and a network is loaded only when it is another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.config import load_config
from detector.errors import BundleError, ConfigError
from detector.loading import load, reload
from detector.network.keras_lstm import KerasLstm
from detector.network.litert import LiteRt
from detector.training.light import lighten
from tests.bundles import tiny_bundle


def _write(path: Path, bundle: Path, extra: str = "") -> Path:
    path.write_text(f'[bed]\nname = "b"\n[source]\nsource_id = "s"\n[model]\nbundle = "{bundle}"\n{extra}')
    return path


def test_a_reload_keeps_the_network_and_takes_the_new_decision(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path)
    path = _write(tmp_path / "bed.toml", bundle.folder)
    before = load(load_config(path))
    assert reload(path, before).network is before.network

    _write(path, bundle.folder, "[decision]\nonset_threshold = 0.99\n")
    after = reload(path, before)
    assert after.network is before.network
    assert after.decision.onset_threshold == 0.99
    assert before.decision.onset_threshold != 0.99


def test_a_reload_loads_another_network(tmp_path: Path) -> None:
    path = _write(tmp_path / "bed.toml", tiny_bundle(tmp_path / "one").folder)
    before = load(load_config(path))
    _write(path, tiny_bundle(tmp_path / "two").folder)
    assert reload(path, before).network is not before.network


def test_a_reload_takes_the_light_engine_once_the_bundle_has_its_file(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path)
    path = _write(tmp_path / "bed.toml", bundle.folder)
    before = load(load_config(path))
    assert isinstance(before.network, KerasLstm)
    lighten(bundle)
    after = reload(path, before)
    assert isinstance(after.network, LiteRt)
    assert reload(path, after).network is after.network
    _write(path, bundle.folder, 'engine = "tensorflow"\n')
    assert isinstance(reload(path, after).network, KerasLstm)


def test_what_is_wrong_is_told_and_nothing_is_taken_over(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path)
    path = _write(tmp_path / "bed.toml", bundle.folder)
    before = load(load_config(path))
    with pytest.raises(BundleError, match="is not there"):
        reload(_write(path, tmp_path / "nowhere"), before)
    with pytest.raises(ConfigError, match="offset_threshold"):
        reload(_write(path, bundle.folder, "[decision]\nonset_threshold = 0.0001\n"), before)
