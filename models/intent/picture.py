"""An attribution to look at: HTML that needs nothing else, and lines for a terminal."""

from __future__ import annotations

import re
from html import escape

from kg.wording.templates import Templates
from models.intent.attribution import Attribution, Weighed

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.6 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
.text { font-size: 1.25rem; line-height: 2.2; overflow-wrap: anywhere; white-space: pre-wrap; }
.for, .against { padding: .1em .15em; border-radius: .2em; }
.for { border-bottom: 3px solid #0b61c4; }
.against { border-bottom: 3px dotted #c2570c; }
table { border-collapse: collapse; }
caption { text-align: left; font-weight: 600; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; overflow-wrap: anywhere; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
"""
_COLOURS = {"for": "11, 97, 196", "against": "194, 87, 12"}  # told apart by all common eyes
_BAR = 20
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def shown(found: Attribution) -> str:
    """A whole HTML page: words coloured by sign and strength, and the same as a table of numbers.

    Blue with a line under it speaks for the label, orange with dots against it. Nothing is loaded
    from elsewhere; texts are escaped.
    """
    title = f"What speaks for {_plain(found.label)}"
    language = Templates.for_titles([found.text]).language
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n<p>{escape(_about(found))}</p>\n"
        f'<p class="text">{_text(found)}</p>\n'
        f'<p><span class="for">for</span> <span class="against">against</span></p>\n'
        f"{_table(found)}</main>\n</body>\n</html>\n"
    )


def told(found: Attribution) -> str:
    """The same in lines of text, the strongest pieces first."""
    most = _most(found)
    lines = [f"{_plain(found.label)}: {_about(found)}"]
    for piece in _by_strength(found):
        length = round(_BAR * abs(piece.weight) / most)
        bar = ("+" if piece.weight > 0 else "-") * length
        lines.append(
            f"  {piece.weight:+8.3f}  {bar:<{_BAR}}  {' '.join(_plain(piece.text).split())}"
        )
    return "\n".join(lines)


def _about(found: Attribution) -> str:
    error = "" if found.error is None else f", completeness error {found.error:.2g}"
    return f"logit {found.logit:.3f}, by {found.method}{error}"


def _text(found: Attribution) -> str:
    """The text with its pieces marked, what stands between them as it was."""
    most, out, at = _most(found), [], 0
    for piece in found.pieces:
        out.append(escape(_plain(found.text[at : piece.start])))
        side = "for" if piece.weight > 0 else "against"
        said = escape(_plain(piece.text))
        share = 0.65 * abs(piece.weight) / most
        out.append(
            f'<span class="{side}" title="{piece.weight:+.4f}" '
            f'style="background: rgba({_COLOURS[side]}, {share:.2f})">{said}</span>'
            if piece.weight
            else said
        )
        at = piece.end
    return "".join([*out, escape(_plain(found.text[at:]))])


def _table(found: Attribution) -> str:
    rows = "".join(
        f"<tr><td>{escape(_plain(piece.text))}</td>"
        f'<td class="number">{piece.weight:+.4f}</td></tr>\n'
        for piece in _by_strength(found)
    )
    return (
        "<table>\n<caption>The strongest first</caption>\n<thead><tr>"
        '<th scope="col">piece</th><th scope="col">adds to the logit</th></tr></thead>\n'
        f"<tbody>\n{rows}</tbody>\n</table>\n"
    )


def _by_strength(found: Attribution) -> list[Weighed]:
    return sorted(found.pieces, key=lambda piece: -abs(piece.weight))


def _most(found: Attribution) -> float:
    return max((abs(piece.weight) for piece in found.pieces), default=0.0) or 1.0


def _plain(text: str) -> str:
    """Without signs that steer a terminal or turn the direction of writing."""
    return _STEERING.sub("\ufffd", text)
