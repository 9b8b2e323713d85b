"""The report on a graph as a page that needs nothing else: tables and drawings."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from kg.checking.report import TOLD, GraphReport, lines, short

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; overflow-wrap: anywhere; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
figure { display: inline-block; margin: 0 2rem 1rem 0; }
figcaption { font-size: .85rem; max-width: 20rem; }
svg text { font-size: 10px; fill: currentColor; }
svg rect { fill: #0b61c4; }
.bar { display: inline-block; height: .8em; background: #0b61c4; }
"""


def page(found: GraphReport, title: str = "Knowledge graph") -> str:
    """A whole HTML page of a report; nothing is loaded from elsewhere, names are escaped."""
    most = max((one.edges for one in found.relations), default=1) or 1
    nodes = _table(
        ["type", "nodes", "without an edge"],
        [
            [kind, f"{count:,}", f"{found.lonely.get(kind, 0):,}"]
            for kind, count in found.nodes.items()
        ],
    )
    relations = _table(
        ["relation", "edges", "", "a source has", "largest target", "its share"],
        [
            [f"{one.source} – {one.name} – {one.target}" + (" (events)" if one.events else ""),
             f"{one.edges:,}", _Bar(one.edges / most), f"{one.mean:.1f}", one.hub,
             f"{one.hub_share:.0%}"]
            for one in found.by_size
        ],
    )  # fmt: skip
    told = "".join(f"<li>{escape(line)}</li>\n" for line in lines(found))
    doubles = _table(["type", "names"], [[d[0], " / ".join(d[1:])] for d in found.doubles[:50]])
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n<ul>\n{told}</ul>\n<h2>Nodes</h2>\n{nodes}"
        f"<h2>Relations</h2>\n{relations}"
        "<h2>Degrees</h2>\n<p>How many nodes (the height, by its logarithm) have how many edges "
        f"of a relation.</p>\n{_figures(found)}"
        + (f"<h2>Alike</h2>\n{doubles}" if found.doubles else "")
        + "</main>\n</body>\n</html>\n"
    )


def _figures(found: GraphReport) -> str:
    """Of the largest relations, how many nodes at either end have how many edges."""
    out = ""
    for one in found.by_size[:TOLD]:
        for kind, counts in ((one.source, one.source_degrees), (one.target, one.target_degrees)):
            if counts:
                told = f"{one.source} – {short(one.name)} – {one.target}: edges of a {kind}"
                out += (
                    f"<figure>\n{_columns(counts, told)}<figcaption>{escape(told)}</figcaption>\n"
                )
                out += "</figure>\n"
    return out


def _columns(counts: Sequence[int], told: str) -> str:
    """A drawing of columns whose places are 1, 2–3, 4–7, …"""
    wide, high = 44, 90
    most = np.log1p(max(counts))
    body = ""
    for place, count in enumerate(counts):
        tall = high * np.log1p(count) / most
        x, middle = place * wide, (place + 0.5) * wide
        label = f"{2**place}" + (f"–{2 ** (place + 1) - 1}" if place else "")
        body += (
            f'<rect x="{x + 4}" y="{14 + high - tall:.1f}" width="{wide - 8}" '
            f'height="{tall:.1f}"/>'
            f'<text x="{middle}" y="{10 + high - tall:.1f}" text-anchor="middle">{count:,}</text>'
            f'<text x="{middle}" y="{high + 26}" text-anchor="middle">{label}</text>'
        )
    size = f'width="{wide * len(counts)}" height="{high + 30}"'
    return f'<svg {size} role="img" aria-label="{escape(told)}">{body}</svg>\n'


class _Bar(float):
    """A share that is drawn."""


def _table(heads: list[str], rows: list[list[Any]]) -> str:
    top = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    body = ""
    for row in rows:
        cells = ""
        for cell in row:
            if isinstance(cell, _Bar):
                cells += f'<td><span class="bar" style="width: {12 * cell:.2f}rem"></span></td>'
            else:
                kind = ' class="number"' if cell[:1].isdigit() else ""
                cells += f"<td{kind}>{escape(cell)}</td>"
        body += f"<tr>{cells}</tr>\n"
    return f"<table>\n<thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"
