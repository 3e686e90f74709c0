"""A bundle is what its card says, or it is refused with the file, what was found and what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.errors import BundleError
from detector.network.bundle import DEFAULT_BUNDLE, installed_bundles, load_bundle, require_causal, sha256_of
from detector.pipeline import bands_config
from tests.bundles import make_bundle, write_card


class NoNetwork:
    """Stands for a network where only its file matters."""

    def save(self, path: Path) -> None:
        path.write_bytes(b"not looked into here")

    def count_params(self) -> int:
        return 7


def made(folder: Path, **changes: str) -> Path:
    return make_bundle(folder, model=NoNetwork(), changes=changes)


def refusal(path: Path | str) -> str:
    with pytest.raises(BundleError) as raised:
        load_bundle(str(path))
    return str(raised.value)


def test_a_bundle_is_loaded_by_the_path_of_its_folder(tmp_path: Path) -> None:
    bundle = load_bundle(f"{made(tmp_path)}/")
    assert (bundle.card.id, bundle.card.step_s, len(bundle.card.derivations)) == ("tiny-1", 1.0, 22)
    assert bundle.sha256 == sha256_of(bundle.folder / "model.keras")


def test_the_bundle_that_comes_with_the_package_is_whole_and_causal() -> None:
    assert DEFAULT_BUNDLE in installed_bundles()
    bundle = load_bundle()
    require_causal(bundle)
    assert bundle.card.montage == "chb-mit-22"


def test_a_bundle_that_is_not_there_is_refused_with_the_choices() -> None:
    assert refusal("chb-lstm-7") == (
        f"model bundle 'chb-lstm-7' is not there; installed: {', '.join(installed_bundles())} "
        "(did you mean 'chb-lstm-2'?); or give the path of a bundle's folder, with a slash in it"
    )


def test_a_changed_file_is_refused_with_both_hashes(tmp_path: Path) -> None:
    path = made(tmp_path)
    expected = sha256_of(path / "model.keras")
    (path / "model.keras").write_bytes(b"another network")
    message = refusal(path)
    assert str(path / "model.keras") in message
    assert expected in message
    assert sha256_of(path / "model.keras") in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = made(tmp_path)
    (path / "model.keras").unlink()
    assert refusal(path) == f"{path / 'model.keras'} is missing; the card lists it"


@pytest.mark.parametrize("name", ["../model.keras", "/etc/passwd", "a/b", ".", "..", ""])
def test_a_file_outside_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "model.keras").write_bytes(b"outside")
    path = made(tmp_path)
    text = (path / "card.toml").read_text()
    (path / "card.toml").write_text(text.replace("[files]", f'[files]\n"{name}" = "00"'))
    assert "is not a plain name inside the bundle" in refusal(path)


def test_a_folder_of_another_name_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path)
    other = path.rename(tmp_path / "tiny-2")
    assert refusal(other) == f"{other / 'card.toml'}: its id is 'tiny-1', its folder 'tiny-2'; they must agree"


def test_a_card_without_the_network_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path)
    text = (path / "card.toml").read_text()
    (path / "card.toml").write_text(text.replace('"model.keras" =', '"model.h5" ='))
    assert "[files] names no model.keras" in refusal(path)


def _rhythm(band: str = "[1.0, 12.0]", repeats: str = "[1.5, 10.0]") -> str:
    """Return the lines of a rhythm, and of the section that follows it in the card."""
    return f"[features.rhythm]\nband_hz = {band}\nrepeats_hz = {repeats}\n[decision]"


@pytest.mark.parametrize(
    ("begins", "line", "said"),
    [
        ("hop_samples", "hop_sampels = 256", "hop_sampels: there is no such key (did you mean 'hop_samples'?)"),
        ("baseline_s", "baselin_s = 9.0", "features.baselin_s: there is no such key (did you mean 'baseline_s'?)"),
        ("hop_samples", "hop_samples = 513", "hop_samples 513 is above frame_samples 512"),
        ("min_derivations", "min_derivations = 23", "min_derivations 23: chb-mit-22 has 22"),
        ("min_derivations", "min_derivations = 0", "min_derivations: Input should be greater than or equal to 1"),
        ("montage", 'montage = "10-20"', "montage '10-20': the choices are chb-mit-22, tuh-tcp-22"),
        ("bands_hz", "bands_hz = [[8.0, 4.0]]", "band 8 to 4 Hz: expected 0 <= low < high <= 128 Hz"),
        ("bands_hz", "bands_hz = [[8.0, 400.0]]", "band 8 to 400 Hz"),
        ("bands_hz", "bands_hz = []", "features.bands_hz"),
        ("baseline_s", "baseline_s = 9.0\npower_samples = 513", "power_samples 513: the frame has 512"),
        ("[decision]", _rhythm(band="[12.0, 1.0]"), "band 12 to 1 Hz"),
        ("[decision]", _rhythm(repeats="[0.5, 10.0]"), "in frames of 2 s expected 0.75 <= slowest < fastest <= 128"),
        ("[decision]", _rhythm(repeats="[10.0, 2.0]"), "a rhythm that repeats 10 to 2 times a second"),
        ("offset_threshold", "offset_threshold = 0.7", "offset_threshold 0.7 is above onset_threshold 0.6"),
        ("onset_threshold", "onset_threshold = nan", "decision.onset_threshold: Input should be a finite number"),
        ("format", "format = 2", "format: Input should be 1"),
        ("parameters", "", "parameters: Field required"),
        ("direction", 'direction = "both"', "direction: Input should be 'causal' or 'bidirectional'"),
        ("created", "created = ", "Invalid value"),
    ],
)
def test_a_wrong_card_is_refused_with_the_key_and_what_was_expected(
    tmp_path: Path, begins: str, line: str, said: str
) -> None:
    path = make_bundle(tmp_path, model=NoNetwork(), changes={begins: line})
    message = refusal(path)
    assert message.startswith(f"{path / 'card.toml'}: ")
    assert said in message


def test_a_card_without_rhythm_asks_for_band_powers_of_the_whole_frame(tmp_path: Path) -> None:
    card = load_bundle(str(made(tmp_path))).card
    assert (card.features.power_samples, card.features.rhythm) == (None, None)
    assert bands_config(card).per_derivation == 2 * len(card.features.bands_hz) + 1


def test_a_card_with_rhythm_asks_for_one_feature_more(tmp_path: Path) -> None:
    card = load_bundle(str(make_bundle(tmp_path, model=NoNetwork(), changes={"[decision]": _rhythm()}))).card
    assert bands_config(card).per_derivation == 2 * len(card.features.bands_hz) + 2


def test_a_card_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path)
    (path / "card.toml").write_bytes(b"\xff\xfe\x00")
    assert refusal(path).startswith(f"{path / 'card.toml'}: ")


def test_a_bidirectional_card_is_readable_and_not_for_live_use(tmp_path: Path) -> None:
    path = made(tmp_path, direction='direction = "bidirectional"')
    bundle = load_bundle(str(path))
    with pytest.raises(BundleError, match="for offline review only; a live bed needs a causal one"):
        require_causal(bundle)


def test_a_card_can_be_written_again(tmp_path: Path) -> None:
    path = made(tmp_path)
    (path / "model.keras").write_bytes(b"another network")
    write_card(path, parameters=8)
    assert load_bundle(str(path)).card.parameters == 8
