"""Nothing outside of a bed's own folder is reached, whatever a name or the folder holds."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import MissingInputError
from detector.page.review.files import BedFiles
from tests.signals import deterministic

SECRET = b"of somebody else"
CLIP, OTHER = "bed1_20260202T024100Z_abc1_1.edf", "bed2_20260202T024100Z_abc1_1.edf"
OUT = "bed1_20260202T024100Z_out_1.edf"


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two beds: one as a user has it and one as systemd has it; and secrets beside, behind and above."""
    above = tmp_path_factory.mktemp("above")
    root = above / "states"
    for folder in (root / "clips" / "bed1", root / "bed2" / "clips" / "bed2", root / "bed3" / "clips", above / "bed9"):
        folder.mkdir(parents=True)
    for path in (above / CLIP, above / "bed9" / OUT, root / CLIP, root / "bed2" / OTHER, root / "bed3" / CLIP):
        path.write_bytes(SECRET)
    own = root / "clips" / "bed1"
    (own / CLIP).write_bytes(b"own")
    (own / OUT).symlink_to(above / CLIP)
    os.mkfifo(own / "bed1_20260202T024100Z_pipe_1.edf")
    (own / "bed1_20260202T024100Z_folder_1.edf").mkdir()
    (root / "bed2" / "clips" / "bed2" / OTHER).write_bytes(b"own")
    (root / "bed3" / "clips" / "bed3").symlink_to(above / "bed9")
    (root / "bed4").symlink_to(root / "bed2")
    (root / "bed1.journal.sqlite").write_bytes(b"own")
    (root / "bed2" / "bed2.journal.sqlite").write_bytes(b"own")
    (root / "bed3" / "bed3.journal.sqlite").symlink_to(above / CLIP)
    return root


def test_clips_are_found_where_a_user_and_where_systemd_has_them(root: Path) -> None:
    files = BedFiles(root)
    for bed, name in (("bed1", CLIP), ("bed2", OTHER)):
        [clip] = files.clips(bed)
        assert (str(clip.name), clip.n_bytes) == (name, 3)
        with files.open_clip(bed, name) as opened:
            assert opened.read() == b"own"
    assert files.journal("bed1") == root / "bed1.journal.sqlite"
    assert files.journal("bed2") == root / "bed2" / "bed2.journal.sqlite"


@pytest.mark.parametrize(
    ("bed", "file", "said"),
    [
        ("bed1", OTHER, "no clip of this bed"),
        ("bed1", "bed1_20260202T024100Z_gone_1.edf", "is not there any more"),
        ("bed1", OUT, "cannot be read"),
        ("bed1", "bed1_20260202T024100Z_pipe_1.edf", "is no plain file"),
        ("bed1", "bed1_20260202T024100Z_folder_1.edf", "is no plain file"),
        ("bed1", f"../bed1/{CLIP}", "no clip of this bed"),
        ("bed3", "bed3_20260202T024100Z_out_1.edf", "there are no clips of this bed"),
        ("bed4", "bed4_20260202T024100Z_abc1_1.edf", "there are no clips of this bed"),
        ("..", "x", "no clip of this bed"),
    ],
)
def test_what_is_no_clip_of_the_bed_is_refused_with_the_reason(root: Path, bed: str, file: str, said: str) -> None:
    with pytest.raises(MissingInputError, match=said):
        BedFiles(root).open_clip(bed, file)


@pytest.mark.parametrize("bed", ["..", ".", "bed1/../bed2", "", "bed1\0", "%2e%2e", "bed3", "bed4", "bed5", "a" * 41])
def test_a_name_that_is_no_beds_has_neither_clips_nor_a_journal(root: Path, bed: str) -> None:
    files = BedFiles(root)
    with pytest.raises(MissingInputError):
        files.clips(bed)
    with pytest.raises(MissingInputError):
        files.journal(bed)


_PIECES = st.sampled_from(
    ["..", ".", "/", "%2f", "%00", "\0", "\n", "bed1", "bed2", "bed3", "bed9", "clips", CLIP, OTHER, OUT, "_1.edf", "~"]
)
_NAMES = st.lists(_PIECES, min_size=1, max_size=6).map("".join) | st.text(max_size=60)


@deterministic(1000)
@given(bed=st.sampled_from(["bed1", "bed2", "bed3"]) | _NAMES, file=st.sampled_from([CLIP, OTHER, OUT]) | _NAMES)
def test_no_name_leads_outside(root: Path, bed: str, file: str) -> None:
    files = BedFiles(root)
    with contextlib.suppress(MissingInputError), files.open_clip(bed, file) as opened:
        assert opened.read() == b"own"
        assert file.startswith(f"{bed}_")
    with contextlib.suppress(MissingInputError):
        assert files.journal(bed).read_bytes() == b"own"


def test_no_descriptor_stays_open(root: Path) -> None:
    files = BedFiles(root)
    before = len([*Path("/proc/self/fd").iterdir()])
    for bed in ("bed1", "bed3", "bed4", "..", "bed7"):
        for _ in range(10):
            for ask in (files.clips, files.journal, lambda bed: files.open_clip(bed, CLIP).close()):
                try:
                    ask(bed)
                except MissingInputError:
                    continue
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_a_folder_that_may_not_be_read_says_what_the_bed_has_to_do(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def closed(path: str, flags: int, **more: int) -> int:
        if path == "bed1":
            raise PermissionError(13, "Permission denied")
        return opened(path, flags, **more)

    monkeypatch.setattr("os.open", closed)  # root may read everything
    with pytest.raises(
        MissingInputError, match=r"may not read .*bed1: the bed has to allow it .*group_can_read = true"
    ):
        BedFiles(root).clips("bed1")


def test_without_a_folder_that_is_said() -> None:
    with pytest.raises(MissingInputError, match=r"\[review\] folder"):
        BedFiles(None).clips("bed1")
