"""Faults 22 to 34: what an amplifier says about its channels, and how they are sent."""

from __future__ import annotations

import pytest

from detector.conditioning.montage import MONTAGES
from tests.faults.bed import Bed
from tests.faults.outlet import CHB_MIT, ELECTRODES

_TEN_TWENTY = tuple("FP1 FP2 F7 F3 FZ F4 F8 T7 C3 CZ C4 T8 P7 P3 PZ P4 P8 O1 O2".split())
_OLD = {"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6"}


def _referential(electrodes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"EEG {name}-REF" for name in electrodes)


@pytest.mark.parametrize("extra", [("T8-P8-1",), ("ECG", *(f"X{k}" for k in range(41)))], ids=["23", "64"])
def test_fault_22_extra_channels_are_ignored_by_label_and_logged(bed: Bed, extra: tuple[str, ...]) -> None:
    carries = (*CHB_MIT, "T8-P8", *[""] * 41)[: 22 + len(extra)]
    bed.watch()
    with bed.amplifier(labels=(*CHB_MIT, *extra), carries=carries) as amplifier:
        bed.watched()
        bed.as_reference(amplifier)
        bed.until(lambda: "channels not used: " in bed.log, 1, "the extra channels are logged")
        assert bed.recording.samples[-1].good_channels == 22


@pytest.mark.parametrize(
    ("labels", "carries", "good"),
    [(_referential(_TEN_TWENTY), _TEN_TWENTY, 19), (CHB_MIT[:21], CHB_MIT[:21], 21)],
    ids=["19", "21"],
)
def test_fault_22_missing_derivations_are_masked_and_named(
    bed: Bed, labels: tuple[str, ...], carries: tuple[str, ...], good: int
) -> None:
    bed.watch()
    with bed.amplifier(labels=labels, carries=carries):
        bed.watched()
        assert bed.recording.samples[-1].good_channels == good
        assert "montage: missing" in bed.log
        assert "FT10-T8" in bed.log
        bed.until(lambda: bed.conditions("degraded"), 13, "the condition")


def test_fault_22_too_few_derivations_are_refused_with_what_is_missing_and_what_was_found(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(labels=CHB_MIT[:10], wait=False):  # and P7-T7, which is T7-P7 reversed
        bed.is_refused("found 11; missing: C4-P4")
        assert "the source's channels: FP1-F7, F7-T7" in bed.log
    bed.recovers()


def test_fault_23_twenty_two_channels_of_another_montage_are_refused_by_their_labels(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(labels=MONTAGES["tuh-tcp-22"], wait=False):
        bed.is_refused("These are the derivations of tuh-tcp-22")
    bed.recovers()


def test_fault_24_permuted_channels_give_the_same_output(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(labels=tuple(bed.rng.permutation(CHB_MIT).tolist())) as amplifier:
        bed.watched()
        bed.as_reference(amplifier)


def test_fault_25_a_reversed_pair_is_turned_and_logged(bed: Bed) -> None:
    turned = {"FZ-CZ": "CZ-FZ"}
    bed.watch()
    # T7-P7 and P7-T7 are both derivations of the montage: one of them is left out.
    labels = tuple(turned.get(label, label) for label in CHB_MIT if label != "T7-P7")
    carries = tuple(turned.get(label, label) for label in CHB_MIT if label != "T7-P7")
    with bed.amplifier(labels=labels, carries=carries) as amplifier:
        bed.watched()
        bed.as_reference(amplifier)
        assert "FZ-CZ is taken from 'CZ-FZ' reversed" in bed.log
        assert "T7-P7 is taken from 'P7-T7' reversed" in bed.log


def test_fault_26_channels_without_labels_are_refused(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(labels=(), unlabelled=22, carries=CHB_MIT, wait=False):
        bed.is_refused("the 22 channels have no labels")
        assert 'match = "order"' in bed.log
    bed.recovers()


def test_fault_26_channels_without_labels_are_taken_on_the_operators_word_and_it_is_logged(bed: Bed) -> None:
    bed.watch(match="order", unit="microvolts")
    with bed.amplifier(labels=(), unlabelled=22, carries=CHB_MIT) as amplifier:
        bed.watched()
        bed.as_reference(amplifier)
        assert "channels are matched by their order, unchecked" in bed.log


def _old_names() -> tuple[str, ...]:
    return tuple("-".join(_OLD.get(name, name) for name in label.split("-")) for label in CHB_MIT)


@pytest.mark.parametrize(
    ("labels", "carries"),
    [
        (_old_names(), CHB_MIT),
        (tuple(f"EEG {label.title()}" for label in CHB_MIT), CHB_MIT),
        (tuple(f"POL {_OLD.get(name, name).lower()}" for name in ELECTRODES), ELECTRODES),
        (_referential(ELECTRODES), ELECTRODES),
    ],
    ids=["T3-T5", "EEG Fp1-F7", "POL t3", "EEG FP1-REF"],
)
def test_fault_27_names_are_normalised(bed: Bed, labels: tuple[str, ...], carries: tuple[str, ...]) -> None:
    bed.watch()
    with bed.amplifier(labels=labels, carries=carries) as amplifier:
        bed.watched()
        bed.as_reference(amplifier)


def test_fault_28_the_first_of_an_identical_pair_is_taken_and_logged(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(labels=(*CHB_MIT, "T8-P8")) as amplifier:
        bed.watched()
        bed.as_reference(amplifier)
        assert "'T8-P8' comes twice; the first is used" in bed.log


def test_fault_28_contradicting_duplicates_are_refused(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(labels=(*CHB_MIT, "T8-P8"), carries=(*CHB_MIT, "noise")):
        bed.is_refused("are both labelled 'T8-P8' but carry different samples")
    bed.recovers()


@pytest.mark.parametrize(
    ("unit", "per_uv"), [("V", 1e-6), ("mV", 1e-3), ("\u00b5V", 1.0), ("\u03bcV", 1.0), ("-6", 1.0)]
)
def test_fault_29_a_unit_that_is_declared_is_converted(bed: Bed, unit: str, per_uv: float) -> None:
    bed.watch()
    with bed.amplifier(unit=unit, per_uv=per_uv) as amplifier:
        bed.watched()
        bed.as_reference(amplifier)


@pytest.mark.parametrize("unit", ["", "furlong"])
def test_fault_29_a_unit_that_is_not_known_is_refused_and_never_guessed(bed: Bed, unit: str) -> None:
    bed.watch()
    with bed.amplifier(unit=unit, wait=False):
        bed.is_refused(f"is not known (declared: {unit or 'none'}")
        assert 'add the line `unit = "microvolts"`' in bed.log
    bed.recovers()


@pytest.mark.parametrize("rate_hz", [250.0, 512.0, 1000.0])
def test_fault_30_another_rate_is_resampled(bed: Bed, rate_hz: float) -> None:
    bed.watch()
    with bed.amplifier(rate_hz=rate_hz):
        bed.watched()
        assert f"22 channels at {rate_hz:g} Hz" in bed.log


@pytest.mark.parametrize("rate_hz", [100.0, 4096.0])
def test_fault_30_a_rate_that_cannot_be_resampled_is_refused(bed: Bed, rate_hz: float) -> None:
    bed.watch()
    with bed.amplifier(rate_hz=rate_hz, wait=False):
        bed.is_refused(f"{rate_hz:g} Hz")
    bed.recovers()


def test_fault_31_a_true_rate_that_is_off_is_never_watched_and_refused_with_both_rates(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(true_rate_hz=256 * float(bed.rng.choice([0.97, 1.03]))):
        bed.is_refused("Hz by its stamps and declares 256 Hz", within_s=34)
    bed.recovers()


def test_fault_32_an_irregular_rate_is_refused(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(rate_hz=0.0, wait=False):
        bed.is_refused("its rate is irregular (nominal rate 0)")
    bed.recovers()


@pytest.mark.parametrize(
    ("form", "unit", "per_uv"),
    [("int16", "microvolts", 1.0), ("int32", "nanovolts", 1000.0), ("double64", "microvolts", 1.0)],
)
def test_fault_33_any_number_is_taken_with_its_scale(bed: Bed, form: str, unit: str, per_uv: float) -> None:
    bed.watch()
    with bed.amplifier(form=form, unit=unit, per_uv=per_uv) as amplifier:
        bed.watched()
        if form != "int16":  # whole microvolts are another signal
            bed.as_reference(amplifier)


def test_fault_33_text_is_refused(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(form="string", wait=False):
        bed.is_refused("its samples are text; expected numbers")
    bed.recovers()


def test_fault_34_another_type_is_refused(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(kind="Accelerometer", wait=False):
        bed.is_refused("its type is 'Accelerometer', expected 'EEG'")
    bed.recovers()


def test_fault_34_another_type_is_taken_by_a_predicate(bed: Bed) -> None:
    bed.watch(predicate="type='Accelerometer'")
    with bed.amplifier(kind="Accelerometer") as amplifier:
        bed.watched()
        bed.as_reference(amplifier)
