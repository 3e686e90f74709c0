"""Units are understood or refused, never guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.units import KNOWN, microvolts_per

FACTORS = {
    1.0: [
        "uV",
        "UV",
        "uv",
        "\u00b5V",
        "\u03bcV",
        "\u00b5v",
        "microvolt",
        "microvolts",
        "Microvolts",
        "-6",
        "\u00c2\u00b5V",
    ],
    1e3: ["mV", "mv", "millivolt", "millivolts", "MILLIVOLTS", "-3"],
    1e6: ["V", "v", "volt", "Volts", "0"],
    1e-3: ["nV", "nv", "nanovolts", "-9"],
}
UNITS = [(unit, factor) for factor, units in FACTORS.items() for unit in units]
BLANKS = st.text(" \t\n\u00a0", max_size=4)


@pytest.mark.parametrize(("unit", "factor"), UNITS)
def test_every_way_of_writing_a_voltage_has_its_factor(unit: str, factor: float) -> None:
    assert microvolts_per(unit) == factor


@pytest.mark.parametrize(
    "unit", ["", " ", "MV", "Mv", "megavolts", "kV", "pV", "%", "degC", "1", "3", "+6", "mA", "u", "uV/Hz"]
)
def test_what_is_not_a_known_voltage_is_none(unit: str) -> None:
    assert microvolts_per(unit) is None


@given(st.sampled_from(UNITS), BLANKS, BLANKS)
def test_blanks_around_a_unit_do_not_matter(known: tuple[str, float], before: str, after: str) -> None:
    unit, factor = known
    assert microvolts_per(before + unit + after) == factor


@given(st.text(max_size=12))
def test_any_text_gives_a_known_factor_or_none(text: str) -> None:
    assert microvolts_per(text) in {None, *FACTORS}


@given(st.sampled_from(["microvolts", "millivolts", "nanovolts", "volts", "uv"]), st.data())
def test_words_mean_the_same_in_any_case(word: str, data: st.DataObject) -> None:
    upper = data.draw(st.lists(st.booleans(), min_size=len(word), max_size=len(word)))
    mixed = "".join(c.upper() if up else c for c, up in zip(word, upper, strict=True))
    assert microvolts_per(mixed) == microvolts_per(word) is not None


def test_every_choice_that_is_offered_is_understood() -> None:
    choices = [choice.split(":")[-1] for choice in KNOWN.split(",")]
    assert len(choices) > 10
    assert all(microvolts_per(choice) is not None for choice in choices)
