"""TUSZ: the patient is the person in every split, and only the `.csv_bi` says when there is a seizure."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.conditioning.montage import Montage, MontageConfig
from detector.source.recording import open_recording
from detector.training.datasets import find
from tests.training.datasets.written import problems_of, seizures_of, small_edf, text_file

ELECTRODES = "FP1 FP2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8 T3 T4 T5 T6 A1 A2 FZ CZ PZ T1 T2".split()


def csv_bi(*rows: str, duration: str = "100.0000") -> str:
    head = f"# version = csv_v1.0.0\n# bname = x\n# duration = {duration} secs\n# montage_file = x.txt\n#\n"
    return head + "channel,start_time,stop_time,label,confidence\n" + "".join(f"{row}\n" for row in rows)


def tusz(folder: Path, where: str, text: str | None, reference: str = "REF") -> Path:
    path = small_edf(
        folder / "edf" / f"{where}.edf",
        labels=tuple(f"EEG {electrode}-{reference}" for electrode in ELECTRODES),
        rate_hz=128,
    )
    if text is not None:
        text_file(path.with_suffix(".csv_bi"), text)
    # What channel-wise annotations say does not count.
    text_file(path.with_suffix(".csv"), csv_bi("FP1-F7,1.0,90.0,fnsz,1.0"))
    return path


BACKGROUND = "TERM,0.0000,100.0000,bckg,1.0000"


def test_a_patient_in_several_splits_sessions_and_montages_is_one_person(tmp_path: Path) -> None:
    seizures = ("TERM,0.0000,20.5000,bckg,1.0000", "TERM,20.5000,30.2500,seiz,1.0000", "TERM,30.2500,100.0,bckg,1.0")
    tusz(tmp_path, "train/aaaaaaaa/s001_2015/01_tcp_ar/aaaaaaaa_s001_t000", csv_bi(*seizures))
    tusz(tmp_path, "train/aaaaaaaa/s002_2016/03_tcp_ar_a/aaaaaaaa_s002_t000", csv_bi(BACKGROUND))
    tusz(tmp_path, "dev/aaaaaaaa/s003_2017/02_tcp_le/aaaaaaaa_s003_t000", csv_bi(BACKGROUND), "LE")
    tusz(tmp_path, "eval/aaaaaaab/s001_2015/02_tcp_le/aaaaaaab_s001_t001", csv_bi(BACKGROUND), "LE")
    data = find(tmp_path)
    assert data.layout == "tusz"
    assert not data.problems
    assert [(r.person, r.seizures) for r in data.recordings] == [
        ("aaaaaaaa", ()),
        ("aaaaaaaa", ((20.5, 30.25),)),
        ("aaaaaaaa", ()),
        ("aaaaaaab", ()),
    ]
    # A part of the data set has the same persons.
    assert {r.person for r in find(tmp_path / "edf" / "eval").recordings} == {"aaaaaaab"}


@pytest.mark.parametrize("reference", ["REF", "LE"])
def test_both_references_give_both_montages(tmp_path: Path, reference: str) -> None:
    where = "train/aaaaaaaa/s001_2015/01_tcp_ar/aaaaaaaa_s001_t000"
    description = open_recording(tusz(tmp_path, where, csv_bi(BACKGROUND), reference)).description
    assert not Montage(MontageConfig("tuh-tcp-22", 22), description).missing
    chb = Montage(MontageConfig("chb-mit-22", 12), description)
    assert chb.missing == ("T7-FT9", "FT9-FT10", "FT10-T8")
    assert not Montage(MontageConfig("chb-mit-22", 22, stand_ins=True), description).missing


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "expected x_s001_t000.csv_bi beside it"),
        (csv_bi(), "has no row"),
        (csv_bi(BACKGROUND).replace("csv_v1.0.0", "tse_v1.0.0"), "expected '# version = csv_v1.0.0'"),
        (csv_bi(BACKGROUND, duration="160.0"), "is for a recording of 160 s, this one has 100 s"),
        (csv_bi("TERM,0.0,9.0,fnsz,1.0"), "with a label of ('seiz', 'bckg')"),
        (csv_bi("TERM,zero,9.0,seiz,1.0"), "expected times in seconds"),
        (csv_bi("TERM,9.0"), "expected channel, start_time"),
        (csv_bi("TERM,90.0,110.0,seiz,1.0"), "inside the recording"),
        (csv_bi("TERM,50.0,60.0,seiz,1.0", "TERM,10.0,20.0,seiz,1.0"), "not in order"),
    ],
)
def test_annotations_that_cannot_be_understood_leave_the_recording_out(
    tmp_path: Path, text: str | None, said: str
) -> None:
    tusz(tmp_path, "train/x/s001_2015/01_tcp_ar/x_s001_t000", text)
    tusz(tmp_path, "train/y/s001_2015/01_tcp_ar/y_s001_t000", csv_bi(BACKGROUND))
    data = find(tmp_path)
    assert list(seizures_of(data)) == ["y_s001_t000.edf"]
    assert said in problems_of(data)["x_s001_t000.edf"]
