from __future__ import annotations

import re
from pathlib import Path

import pytest

from detector.boot import boot_id


def test_it_is_the_kernels_and_the_same_each_time() -> None:
    assert re.fullmatch("[0-9a-f]{32}", boot_id({}))
    assert boot_id({}) == boot_id({})


def test_a_unit_that_cannot_see_the_kernels_passes_it() -> None:
    given = {"SEIZURE_DETECTOR_BOOT_ID": "9e54a609206b4b3eb557944b84aaea90"}
    assert boot_id(given) == "9e54a609206b4b3eb557944b84aaea90"
    assert boot_id({"SEIZURE_DETECTOR_BOOT_ID": "9e54a609-206b-4b3e-b557-944b84aaea90\n"}) == boot_id(given)


def test_where_nobody_knows_it_no_boot_is_taken_for_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.boot._KERNEL", Path("/nowhere"))
    assert boot_id({}) != boot_id({})
