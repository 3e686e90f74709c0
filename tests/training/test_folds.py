"""Persons are never on both sides."""

from __future__ import annotations

import pytest

from detector.errors import BadDataError
from detector.training.folds import folds_of


@pytest.mark.parametrize("n_folds", [2, 3, 5])
def test_a_person_is_in_exactly_one_fold(n_folds: int) -> None:
    names = [f"p{i}" for i in range(17)]
    sizes = {f"p{i}": float(i % 6 * 50) for i in range(17)}
    folds = folds_of(names, n_folds, 0, sizes)
    assert sorted(name for fold in folds for name in fold) == sorted(names)
    assert len(folds) == n_folds
    # Those without seizures are spread, too.
    assert all(any(sizes[name] == 0 for name in fold) for fold in folds) or n_folds > 3
    assert folds == folds_of(names[::-1], n_folds, 0, sizes)


def test_no_fold_stays_empty_where_hardly_anybody_has_a_seizure() -> None:
    assert sorted(folds_of(["a", "b", "c"], 3, 0, {"a": 50.0})) == [("a",), ("b",), ("c",)]


def test_a_person_named_twice_is_an_error() -> None:
    with pytest.raises(BadDataError, match="named twice"):
        folds_of(["a", "b", "a"], 2, 0, {})
    with pytest.raises(BadDataError, match="3 folds of 2 persons"):
        folds_of(["a", "b"], 3, 0, {})
