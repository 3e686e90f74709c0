"""The report: one HTML file with everything in it, so that it can be mailed, kept beside a bundle and searched."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

from detector.errors import DetectorError
from detector.evaluation.plots import calibration_figure, latency_figure, operating_figure, png, recording_figure
from detector.evaluation.result import Result
from detector.evaluation.table import HEADS, WORDS, cells, introduction, of, said, said_interval
from detector.scoring import write_whole

_CSS = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 1180px; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: .8em 0; font-size: 14px; } h2 { margin-top: 2em; }
th, td { padding: .25em .7em; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th:first-child, td:first-child, .of { text-align: left; } img { max-width: 100%; }
.wide { overflow-x: auto; } section.recording { break-inside: avoid; border-top: 1px solid #ddd; }
"""


def write_report(result: Result, folder: Path) -> Path:
    """Write ``evaluation.html`` into the folder, which is made where it is not there, and return its path.

    Raises
    ------
    DetectorError
        When it cannot be written.
    """
    path = folder / "evaluation.html"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise DetectorError(f"cannot make {folder}: {error.strerror}") from error
    write_whole(path, html(result))
    return path


def html(result: Result) -> str:
    """Return the report: what it was measured on, figures, curves, and a page for each recording."""
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Evaluation</title><style>{_CSS}</style>',
        "</head><body><h1>Evaluation of a seizure detector</h1>",
        "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in introduction(result)) + "</ul>",
        *_pooled(result),
        *_curves(result),
        *_table("By person", "person", [(name, cells(t, result.declared)) for name, t in result.persons.items()]),
        *_table(
            "By recording",
            "recording",
            [
                (f"{pair.person}: {pair.name}", cells(totals, result.declared))
                for pair, totals in zip(result.pairs, result.recordings, strict=True)
            ],
        ),
    ]
    if result.skipped:
        parts.append("<h2>Not evaluated</h2><ul>")
        parts += [f"<li>{escape(name)}: {escape(why)}</li>" for name, why in result.skipped]
        parts.append("</ul>")
    parts += _pages(result)
    return "\n".join([*parts, "</body></html>"]) + "\n"


def _pooled(result: Result) -> list[str]:
    rows = []
    for name, figure in result.figures.items():
        words, decimals, unit = WORDS[name]
        texts = (words, said(figure.value, decimals, unit), said_interval(figure, decimals))
        rows.append("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in texts))
        rows[-1] += f'<td class="of">{escape(of(name, result))}</td></tr>'
    head = "<tr><th>figure</th><th>value</th><th>95 % interval</th><th class='of'>of</th></tr>"
    return ["<h2>Pooled over all persons</h2>", "<table>", head, *rows, "</table>"]


def _curves(result: Result) -> list[str]:
    parts: list[str] = []
    if result.operating is not None:
        parts += [
            "<h2>Operating curve</h2>",
            _image(png(operating_figure(result.operating)), "sensitivity and latency against false alarms"),
            "<p>The decision was run again with each onset threshold; the offset threshold keeps its share of it, and "
            "everything else is the bundle's. With a low threshold an alarm hardly ever ends, so that few new ones are "
            "declared. A threshold that is chosen on this curve must be measured on other persons.</p>",
        ]
    pooled = result.pooled
    latencies = pooled.tally.latencies_s if result.declared else pooled.onset_latencies_s
    parts.append("<h2>Latency</h2>")
    if latencies:
        n = pooled.tally.seizures if result.declared else pooled.seizures
        words = "detection latency" if result.declared else "onset latency"
        names = {"median": "latency_median_s", "90th centile": "latency_90th_s"}
        centiles = {name: result.figures[key].value for name, key in names.items()}
        parts.append(_image(png(latency_figure(latencies, n, words, centiles)), "histogram of latencies"))
    else:
        parts.append("<p>No seizure was detected, so that there is none.</p>")
    parts.append(f"<p>{escape(result.latency)}.</p>")
    if result.calibration is not None:
        parts += ["<h2>Calibration</h2>", _image(png(calibration_figure(result.calibration)), "calibration curve")]
    return parts


def _table(title: str, first: str, rows: list[tuple[str, list[str]]]) -> list[str]:
    head = "".join(f"<th>{escape(text)}</th>" for text in (first, *HEADS[1:]))
    lines = ["<tr>" + "".join(f"<td>{escape(text)}</td>" for text in (name, *row)) + "</tr>" for name, row in rows]
    return [f"<h2>{title}</h2>", '<div class="wide"><table>', f"<tr>{head}</tr>", *lines, "</table></div>"]


def _pages(result: Result) -> list[str]:
    thresholds = None
    if result.operating is not None:
        own = next(p for p in result.operating.points if p.onset_threshold == result.operating.own_threshold)
        thresholds = (own.onset_threshold, own.offset_threshold)
    parts = ["<h2>Recordings</h2>"]
    for pair, totals in zip(result.pairs, result.recordings, strict=True):
        title = f"{pair.person}: {pair.name}"
        image = _image(png(recording_figure(pair, thresholds)), f"time line of {title}")
        text = (
            f"{pair.duration_s:.1f} s, {totals.seizures} seizures, {len(pair.hypothesis)} in the hypothesis; "
            f"SzCORE: {totals.event.hits} of {totals.event.reference} events found, {totals.event.false} false"
        )
        parts.append(f'<section class="recording"><h3>{escape(title)}</h3><p>{text}</p>{image}</section>')
    return parts


def _image(data: bytes, words: str) -> str:
    return f'<img alt="{escape(words)}" src="data:image/png;base64,{base64.b64encode(data).decode()}">'
