"""The recipe: departures are checked, and what it makes is a card that the pipeline takes."""

from __future__ import annotations

import pytest

from detector.errors import UsageError
from detector.pipeline import bands_config, decision_config
from detector.training.recipe import Recipe, card_of, changed


def test_departures_from_the_recipe_reach_the_card() -> None:
    recipe = changed(Recipe(), ["frame_samples=1024", "baseline_s=60", "bands_hz=((1.0, 4.0), (4.0, 8.0))"])
    card = card_of(recipe)
    assert (card.frame_samples, card.features.baseline_s) == (1024, 60.0)
    assert bands_config(card).per_derivation == 6
    assert decision_config(card).step_s == 0.5


def test_a_network_that_does_not_look_at_the_rhythm_has_a_feature_less() -> None:
    without = card_of(changed(Recipe(), ["rhythm=False"]))
    assert without.features.rhythm is None
    assert bands_config(without).per_derivation == bands_config(card_of(Recipe())).per_derivation - 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("member=3", r"expected one of .*did you mean 'members'"),
        ("members=many", "expected a value like 5"),
        ("members=2.5", "expected a value like 5"),
        ("dropout", "expected a value like 0.3"),
    ],
)
def test_a_departure_that_makes_no_sense_is_an_error(change: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        changed(Recipe(), [change])
