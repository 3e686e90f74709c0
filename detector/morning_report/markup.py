"""The parts of the report's HTML; all text of it is escaped here."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

from detector.printable import printable

CSS = """
@page { size: A4; margin: 14mm; }
:root { color-scheme: light; }
body { font: 15px/1.4 system-ui, sans-serif; margin: 1.5em auto; max-width: 1050px; padding: 0 1em; color: #111;
  background: #fff; overflow-wrap: break-word; }
table { border-collapse: collapse; margin: .6em 0; font-size: 13.5px; } h1, h2, h3 { break-after: avoid; }
th, td { padding: .2em .7em .2em 0; text-align: left; border-bottom: 1px solid #ccc; vertical-align: top; }
td.n { text-align: right; white-space: nowrap; } tr, figure { break-inside: avoid; }
thead { display: table-header-group; }
img { max-width: 100%; } figure { margin: .6em 0; } figcaption, .small { font-size: 13px; color: #333; }
section.event { border-top: 2px solid #111; margin-top: 1.5em; break-inside: avoid; }
@media print { body { font-size: 10.5pt; margin: 0; padding: 0; max-width: none; } table { font-size: 9pt; }
  img { max-height: 180mm; } }
"""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = ()) -> list[str]:
    """Return a table; ``numbers`` are the columns that are set flush right."""
    head = f"<thead><tr>{''.join(f'<th>{escape(text)}</th>' for text in heads)}</tr></thead>" if heads else ""
    body = []
    for row in rows:
        cells = (f"<td{' class=n' if i in numbers else ''}>{text_of(text)}</td>" for i, text in enumerate(row))
        body.append(f"<tr>{''.join(cells)}</tr>")
    return ["<table>", head, "<tbody>", *body, "</tbody></table>"]


def text_of(text: str) -> str:
    """Escape a text that may have come from anybody; lines stay apart."""
    return "<br>".join(escape(printable(line)) for line in text.split("\n"))


def lines(texts: Iterable[str]) -> str:
    """Return texts for `text_of`, each on a line of its own whatever is in it."""
    return "\n".join(printable(text) for text in texts)


def figure(data: bytes, words: str, caption: str) -> str:
    """Return a PNG with what it shows in words, and what is to be known to read it."""
    image = f'<img alt="{escape(words)}" src="data:image/png;base64,{base64.b64encode(data).decode()}">'
    return f"<figure>{image}<figcaption>{text_of(caption)}</figcaption></figure>"


def hours_of(hours: float) -> str:
    """Return hours."""
    return f"{hours:.2f} h"


def length_of(seconds: float) -> str:
    """Return a length of time as people say it."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min {rest} s"
