"""Rights are given to files of our own and to nothing else."""

from __future__ import annotations

from pathlib import Path

from detector.config import make_config
from detector.rights import GROUP_TOO, OWNER, let_in, set_rights


def test_what_a_bed_writes_is_its_owners_alone_unless_it_is_told_otherwise() -> None:
    given = {"bed": {"name": "bed1"}, "source": {"source_id": "amp"}}
    assert make_config(given).files.mode == OWNER == 0o600
    assert make_config({**given, "files": {"group_can_read": True}}).files.mode == GROUP_TOO == 0o640


def test_a_link_is_not_followed_and_what_is_gone_is_passed_over(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.touch(mode=0o600)
    link.symlink_to(target)
    set_rights(link, GROUP_TOO)
    set_rights(tmp_path / "gone", GROUP_TOO)
    assert target.stat().st_mode & 0o777 == 0o600
    set_rights(target, GROUP_TOO)
    assert target.stat().st_mode & 0o777 == 0o640


def test_a_folder_that_an_administrator_opened_stays_open(tmp_path: Path) -> None:
    tmp_path.chmod(0o2775)
    let_in(tmp_path, OWNER)
    let_in(tmp_path, GROUP_TOO)
    assert tmp_path.stat().st_mode & 0o7777 == 0o2775
    tmp_path.chmod(0o700)
    let_in(tmp_path, OWNER)
    assert tmp_path.stat().st_mode & 0o777 == 0o700
