"""The source's channels are found by what they are called, whatever their order, polarity or reference."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.conditioning.montage import MONTAGES, Montage, MontageConfig, electrodes, normalise
from detector.errors import BadDataError
from detector.messages import FloatArray
from tests.signals import describe, deterministic, noise, whole

CHB = MONTAGES["chb-mit-22"]
ELECTRODES = tuple(dict.fromkeys(name for label in CHB for name in label.split("-")))
OLD = {"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6"}
POTENTIALS = dict(zip(ELECTRODES, noise(512, len(ELECTRODES)).T, strict=True))
EXPECTED = np.column_stack([POTENTIALS[a] - POTENTIALS[b] for a, b in (name.split("-") for name in CHB)])


def montage(
    labels: list[str], *, least: int = 22, match: Literal["labels", "order"] = "labels", stand_ins: bool = False
) -> Montage:
    return Montage(MontageConfig("chb-mit-22", least, match, stand_ins), describe(labels))


def derive(labels: list[str], samples: FloatArray, *, stand_ins: bool = False) -> FloatArray:
    return montage(labels, stand_ins=stand_ins).process(whole(samples)).samples


@st.composite
def spellings(draw: st.DrawFn, label: str) -> str:
    """Another way to write a derivation or an electrode."""
    parts = [OLD.get(part, part) if draw(st.booleans()) else part for part in label.split("-")]
    blank = st.sampled_from(["", " ", "\t"])
    text = f"{draw(blank)}-{draw(blank)}".join(parts)
    if len(parts) == 1:
        text += draw(st.sampled_from(["", "-REF", "-LE", "-AVG", "-Ref"]))
    text = draw(st.sampled_from(["", "EEG ", "POL ", "EEG  "])) + text + draw(st.sampled_from(["", "-0", "-1"]))
    case = draw(st.sampled_from([str.upper, str.lower, str.title]))
    return draw(blank) + case(text) + draw(blank)


@deterministic(200)
@given(st.data(), st.sampled_from(CHB + ELECTRODES))
def test_every_spelling_of_a_label_is_the_same_channel(data: st.DataObject, label: str) -> None:
    assert normalise(data.draw(spellings(label))) == label


@deterministic(500)
@given(st.text(alphabet="TFPCOZ0123456789-eg REFLAVpol\t"), st.booleans())
def test_normalising_twice_changes_nothing(label: str, stand_ins: bool) -> None:
    once = normalise(label, stand_ins=stand_ins)
    assert normalise(once, stand_ins=stand_ins) == once


@pytest.mark.parametrize(
    "label", ["A-0-1", "EEG T3-T5-0-1", "1-2-3", "--0", "-", "", "EEG ", "FP1-REF-0", "REF", "ß-1"]
)
def test_normalising_odd_labels_twice_changes_nothing(label: str) -> None:
    assert normalise(normalise(label)) == normalise(label)


def test_numbered_grid_electrodes_are_no_duplicates() -> None:
    assert electrodes("1-2") == ("1", "2")
    assert electrodes("FZ-12") == ("FZ", "")


@deterministic(40)
@given(st.data(), st.permutations(range(22)), st.sets(st.integers(0, 21)))
def test_permuted_reversed_and_respelt_channels_give_identical_derivations(
    data: st.DataObject, order: list[int], swapped: set[int]
) -> None:
    # P7-T7 is the reverse of T7-P7, so those two stay as they are.
    swapped -= {CHB.index("T7-P7"), CHB.index("P7-T7")}
    labels = ["-".join(reversed(CHB[i].split("-"))) if i in swapped else CHB[i] for i in order]
    samples = np.column_stack([-EXPECTED[:, i] if i in swapped else EXPECTED[:, i] for i in order])
    np.testing.assert_array_equal(derive([data.draw(spellings(label)) for label in labels], samples), EXPECTED)


@deterministic(20)
@given(st.permutations(ELECTRODES), st.sampled_from(["EEG {}-REF", "{}", "{}-LE", "POL {}-AVG"]))
def test_referential_channels_give_identical_derivations(order: list[str], form: str) -> None:
    samples = np.column_stack([POTENTIALS[name] for name in order])
    np.testing.assert_array_equal(derive([form.format(name) for name in order], samples), EXPECTED)


def test_channels_of_different_references_are_not_subtracted() -> None:
    labels = [f"{name}-{'LE' if i % 2 else 'REF'}" for i, name in enumerate(ELECTRODES)]
    with pytest.raises(BadDataError, match="missing: "):
        montage(labels)


def test_a_reversed_channel_changes_its_sign_and_is_noted() -> None:
    labels = ["F7-FP1", *CHB[1:]]
    samples = EXPECTED.copy()
    samples[:, 0] *= -1
    np.testing.assert_array_equal(derive(labels, samples), EXPECTED)
    assert montage(labels).notes == ("FP1-F7 is taken from 'F7-FP1' reversed",)


def test_the_reverse_of_a_derivation_that_is_there_itself_is_not_needed() -> None:
    labels = [name for name in CHB if name != "P7-T7"]
    samples = EXPECTED[:, [CHB.index(name) for name in labels]]
    np.testing.assert_array_equal(derive(labels, samples), EXPECTED)


@pytest.mark.parametrize(("n_channels", "least"), [(19, 18), (21, 20)])
def test_missing_derivations_are_masked_up_to_what_the_card_tolerates(n_channels: int, least: int) -> None:
    labels = list(CHB[:n_channels])
    made = montage(labels, least=least)
    out = made.process(whole(EXPECTED[:, :n_channels])).samples
    assert made.missing == CHB[n_channels:]
    assert np.isnan(out[:, n_channels:]).all()
    np.testing.assert_array_equal(out[:, :n_channels], EXPECTED[:, :n_channels])


def test_too_many_missing_derivations_are_refused_with_what_is_missing_and_what_was_found() -> None:
    with pytest.raises(BadDataError, match=r"needs at least 22 of its 22.*found 19; missing: T7-FT9.*channels: FP1-F7"):
        montage(list(CHB[:19]))


@pytest.mark.parametrize("n_extra", [1, 42])
def test_more_channels_change_nothing_and_are_noted(n_extra: int) -> None:
    extra = [f"ECG{i}" for i in range(n_extra)]
    samples = np.hstack([noise(len(EXPECTED), n_extra, seed=3), EXPECTED])
    np.testing.assert_array_equal(derive([*extra, *CHB], samples), EXPECTED)
    assert any("not used: ECG0" in note for note in montage([*extra, *CHB]).notes)


def test_another_montage_of_22_channels_is_refused_and_named() -> None:
    with pytest.raises(BadDataError, match="These are the derivations of tuh-tcp-22: use a model for that montage"):
        montage(list(MONTAGES["tuh-tcp-22"]))


def test_another_montage_is_no_poor_one_of_ours_however_few_derivations_are_enough() -> None:
    with pytest.raises(BadDataError, match="These are the derivations of tuh-tcp-22"):
        montage(list(MONTAGES["tuh-tcp-22"]), least=5)


def test_no_labels_are_refused_unless_the_order_is_known() -> None:
    with pytest.raises(BadDataError, match=r'no labels.*match = "order"'):
        montage([""] * 22)
    made = montage([""] * 22, match="order")
    np.testing.assert_array_equal(made.process(whole(EXPECTED)).samples, EXPECTED)
    assert "unchecked" in made.notes[0]
    with pytest.raises(BadDataError, match="exactly 22 channels, the source has 23"):
        montage([""] * 23, match="order")


def test_the_first_of_two_equal_channels_is_used_and_noted() -> None:
    labels = [*CHB, "T8-P8"]
    samples = np.hstack([EXPECTED, EXPECTED[:, [CHB.index("T8-P8")]]])
    np.testing.assert_array_equal(derive(labels, samples), EXPECTED)
    assert "'T8-P8' comes twice; the first is used" in montage(labels).notes


def test_two_channels_of_one_label_that_contradict_each_other_are_refused() -> None:
    made = montage([*CHB, "EEG t4-t6"])
    with pytest.raises(BadDataError, match="channels 15 and 23 are both labelled 'T8-P8' but carry different"):
        made.process(whole(np.hstack([EXPECTED, EXPECTED[:, :1]])))


def test_equal_channels_of_one_label_may_lack_the_same_samples() -> None:
    samples = np.column_stack([EXPECTED, EXPECTED[:, 0]])
    samples[5, [0, 22]] = np.nan
    np.testing.assert_array_equal(derive([*CHB, CHB[0]], samples), samples[:, :22])


def test_blank_channels_that_are_not_used_may_contradict_each_other() -> None:
    labels = ["--0", *CHB, "--1", "--2"]
    samples = np.hstack([noise(len(EXPECTED), 1), EXPECTED, noise(len(EXPECTED), 2, seed=2)])
    np.testing.assert_array_equal(derive(labels, samples), EXPECTED)
    assert not any("twice" in note for note in montage(labels).notes)


def test_t1_and_t2_stand_in_only_where_the_configuration_says_so() -> None:
    labels = [name.replace("FT9", "T1").replace("FT10", "T2") for name in CHB]
    np.testing.assert_array_equal(derive(labels, EXPECTED, stand_ins=True), EXPECTED)
    with pytest.raises(BadDataError, match="missing: T7-FT9, FT9-FT10, FT10-T8"):
        montage(labels)


def test_an_unknown_unit_is_refused_with_the_line_to_add() -> None:
    with pytest.raises(BadDataError, match=r'declared: none; first: .FP1-F7.*add the line `unit = "microvolts"`'):
        Montage(MontageConfig("chb-mit-22", 22), describe(CHB, scale=None))


def test_an_unknown_unit_is_refused_where_the_order_is_known_too() -> None:
    with pytest.raises(BadDataError, match="the unit of 22 needed channels is not known"):
        Montage(MontageConfig("chb-mit-22", 22, "order"), describe([""] * 22, scale=None))


def test_an_unknown_unit_of_a_channel_that_is_not_needed_does_not_matter() -> None:
    known = describe([*CHB, "ECG"])
    description = type(known)(
        known.labels, known.rate_hz, (*known.scales_uv[:-1], None), (*known.units[:-1], "furlong")
    )
    assert Montage(MontageConfig("chb-mit-22", 22), description).missing == ()


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3e38])
def test_values_that_are_no_potentials_pass_without_a_warning(value: float) -> None:
    samples = np.column_stack([POTENTIALS[name] for name in ELECTRODES])
    samples[100] = value
    samples[100, 0] = -value if np.isfinite(value) else value
    out = derive(list(ELECTRODES), samples)
    np.testing.assert_array_equal(np.delete(out, 100, axis=0), np.delete(EXPECTED, 100, axis=0))
