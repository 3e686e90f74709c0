"""The report and the table say what is not known as such, and what files are called is text."""

from __future__ import annotations

import html as markup
import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from detector.errors import DetectorError
from detector.evaluation.report import html, write_report
from detector.evaluation.result import Result, evaluate
from detector.evaluation.table import WORDS, of, said, said_interval, show
from tests.evaluation.files import made_up_pair

pytest.importorskip("matplotlib")
NAN = float("nan")
HOSTILE = "<img src=x onerror=y>"


def result(*, steps: bool = True, hit: bool = True) -> Result:
    found = ((110.0, 130.0),) if hit else ((400.0, 420.0),)
    pairs = [made_up_pair(f"{HOSTILE}{n}_1", ((100.0, 130.0),), found, steps=steps) for n in range(2)]
    return evaluate(pairs, f"data {HOSTILE}", skipped=[(f"bad {HOSTILE}", f"why {HOSTILE}")])


def told(one: Result) -> str:
    console = Console(file=io.StringIO(), width=200)
    show(one, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_names_of_files_are_text_in_the_report_and_as_they_are_in_the_terminal() -> None:
    one = result()
    report = html(one)
    assert HOSTILE not in report
    for text in (f"data {HOSTILE}", f"bad {HOSTILE}", f"why {HOSTILE}", f"{HOSTILE}1"):
        assert text in markup.unescape(report)
        assert text in told(one)
    assert not re.search(r"(src|href)=\"(?!data:)", report)


@pytest.mark.parametrize("steps", [True, False])
def test_every_figure_is_in_both_with_what_it_is_of(steps: bool) -> None:
    one = result(steps=steps)
    report, terminal = markup.unescape(html(one)), told(one)
    for name, figure in one.figures.items():
        words, decimals, unit = WORDS[name]
        for place in (report, terminal):
            assert words in place
            assert said(figure.value, decimals, unit) in place
            assert of(name, one) in place
    assert ("detection latency" in report) == steps
    assert html(one).count('<section class="recording">') == len(one.pairs)


def test_without_a_detection_there_is_no_latency_and_no_histogram_of_one() -> None:
    report = html(result(hit=False))
    assert "No seizure was detected, so that there is none" in report
    assert "histogram of latencies" not in report
    assert "histogram of latencies" in html(result())


def test_what_is_not_known_is_a_dash_and_never_a_number() -> None:
    one = evaluate([made_up_pair("a_1", (), (), steps=True)], "made up")
    assert (said(NAN, 3, "s"), said(0.0, 3, "s")) == ("–", "0.000 s")
    assert {said_interval(figure, 2) for figure in one.figures.values()} == {"–"}, "of one person"
    assert "nan" not in told(one).lower().replace("hand", "")
    assert "nan" not in re.sub(r"<img[^>]*>", "", html(one)).lower()


def test_a_report_that_cannot_be_written_is_an_error_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DetectorError, match=r"cannot make .*: File exists"):
        write_report(result(), tmp_path / "file")
