"""A split: no person in two parts, no person forgotten, and the file gives back what was dealt."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import BadDataError, MissingInputError, UsageError
from detector.training.labelled import DataSet, Labelled, Problem
from detector.training.split import Split, check_split, make_split, of_part, read_split, write_split


def data_set(seconds: dict[str, float]) -> DataSet:
    """Return two recordings of each person, with this much ictal time in the first."""
    recordings = []
    for person, length in seconds.items():
        recordings.append(Labelled(person, Path(f"{person}_1.edf"), ((5, 5 + length),) if length else ()))
        recordings.append(Labelled(person, Path(f"{person}_2.edf"), ()))
    return DataSet("folder", Path("data"), tuple(recordings), (Problem(Path("x.edf"), "bad"),))


PEOPLE = data_set({"a": 100, "b": 90, "c": 20, "d": 10, "e": 0, "f": 0})


@given(
    seconds=st.dictionaries(st.text("abcdefg", min_size=1, max_size=4), st.sampled_from([0, 5, 60, 300]), min_size=3),
    n_folds=st.integers(2, 3),
    seed=st.integers(0, 5),
)
def test_everybody_is_in_one_part_and_a_seed_gives_one_split(
    seconds: dict[str, float], n_folds: int, seed: int
) -> None:
    split = make_split(data_set(seconds), n_folds, seed)
    assert sorted(person for persons in split.parts.values() for person in persons) == sorted(seconds)
    assert list(split.parts) == [f"fold{i + 1}" for i in range(n_folds)]
    assert make_split(data_set(seconds), n_folds, seed) == split


def test_parts_have_about_as_much_ictal_time_and_as_many_without() -> None:
    for seed in range(5):
        parts = make_split(PEOPLE, 2, seed).parts.values()
        assert sorted(sorted(set(part) & set("abcd")) for part in parts) == [["a", "d"], ["b", "c"]]
        assert [len(set(part) & set("ef")) for part in parts] == [1, 1]
    assert len({str(make_split(PEOPLE, 2, seed).parts) for seed in range(5)}) > 1


def test_the_file_gives_back_the_split_and_people_can_write_one(tmp_path: Path) -> None:
    split = make_split(PEOPLE, 2, 7)
    write_split(split, tmp_path / "split.toml")
    assert read_split(tmp_path / "split.toml") == split
    own = tmp_path / "own.toml"
    own.write_text('format = 1\nlayout = "folder"\n[parts]\ntrain = ["a", "b", "e"]\ntest = ["c", "d", "f"]\n')
    test = of_part(read_split(own), PEOPLE, ["test"])
    assert [recording.path.name for recording in test.recordings] == [f"{p}_{i}.edf" for p in "cdf" for i in (1, 2)]
    assert test.problems == PEOPLE.problems
    assert len(of_part(read_split(own), PEOPLE, ["test", "train"]).recordings) == len(PEOPLE.recordings)
    with pytest.raises(UsageError, match=r"no part 'tests', .*did you mean 'test'"):
        of_part(read_split(own), PEOPLE, ["tests"])


def test_a_person_in_two_parts_is_refused_wherever_the_split_comes_from(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match="a, b are in both train and test"):
        Split("folder", {"train": ("a", "b", "c"), "test": ("b", "a")})
    with pytest.raises(BadDataError, match="names a twice"):
        Split("folder", {"train": ("a", "a")})
    with pytest.raises(BadDataError, match="part test of the split is empty"):
        Split("folder", {"train": ("a",), "test": ()})
    own = tmp_path / "own.toml"
    own.write_text('format = 1\nlayout = "folder"\n[parts]\ntrain = ["a", "b"]\ntest = ["b"]\n')
    with pytest.raises(BadDataError, match=r"own\.toml: b is in both train and test"):
        read_split(own)


def test_a_split_and_a_data_set_that_do_not_have_the_same_persons_are_refused() -> None:
    everybody = Split("folder", {"train": tuple("abcde"), "test": ("f",)})
    check_split(everybody, PEOPLE)
    with pytest.raises(BadDataError, match="no part for f"):
        check_split(Split("folder", {"train": tuple("abcde")}), PEOPLE)
    with pytest.raises(BadDataError, match="names g, but data has a, b, c, d, e, f"):
        of_part(Split("folder", {"train": tuple("abcdef"), "test": ("g",)}), PEOPLE, ["train"])
    with pytest.raises(BadDataError, match=r"of the layout siena, data of folder"):
        check_split(Split("siena", everybody.parts), PEOPLE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("format = 1\nlayout = ", "expected TOML"),
        ('format = 2\nlayout = "folder"\n[parts]\na = ["a"]', "expected format = 1"),
        ('format = 1\n[parts]\na = ["a"]', "layout None"),
        ('format = 1\nlayout = "folder"\nseed = "x"\n[parts]\na = ["a"]', "seed 'x'"),
        ('format = 1\nlayout = "folder"\nseeds = 3\n[parts]\na = ["a"]', "'seeds'; expected one of .*mean 'seed'"),
        ('format = 1\nlayout = "folder"\n', "expected lines like train"),
        ('format = 1\nlayout = "folder"\n[parts]\na = "a"', "expected lines like train"),
    ],
)
def test_a_file_that_is_no_split_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "split.toml"
    path.write_text(text)
    with pytest.raises(BadDataError, match=said) as caught:
        read_split(path)
    assert str(path) in str(caught.value)


def test_a_split_that_is_not_there_is_missing_input(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="expected a split file"):
        read_split(tmp_path / "split.toml")
