"""A screen as an SVG, and its rows read back from one: nothing in it changes unless the screen does."""

import re
from collections.abc import Sequence
from html import escape
from typing import Any
from xml.etree import ElementTree

from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from textual._context import visible_screen_stack
from textual.app import App
from textual.color import Color as Mixed

from flowchat.ui.colours import luminance

CELL_WIDTH, CELL_HEIGHT, FONT_SIZE, BASELINE = 9.6, 20, 16, 15
MARGIN = 10
FONT = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
DIM_SHARE = 0.4
READABLE = 4.5
"""WCAG 2, contrast of text, level AA."""
_SIXTEEN = "000000 cd3131 0dbc79 e5e510 2472c8 bc3fbc 11a8cd e5e5e5 666666 f14c4c 23d18b f5f543 3b8eea d670d6 29b8db e5e5e5"
"""The terminal's own colours, as an editor's terminal has them."""
_OWN = TerminalTheme((0, 0, 0), (255, 255, 255), [tuple(bytes.fromhex(colour)) for colour in _SIXTEEN.split()])
_NAMESPACE = "{http://www.w3.org/2000/svg}"


def picture(app: App[Any], ground: str, text: str) -> str:
    """What the app shows, on a terminal whose background is `ground` and whose own text colour is `text`."""
    width, height = app.size.width * CELL_WIDTH + 2 * MARGIN, app.size.height * CELL_HEIGHT + 2 * MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" viewBox="0 0 {width:.0f} {height}"'
        f' font-family="{FONT}" font-size="{FONT_SIZE}" xml:space="preserve">',
        f'<rect width="100%" height="100%" rx="6" fill="{ground}"/>',
        f'<g transform="translate({MARGIN} {MARGIN})">',
    ]
    for y, row in enumerate(screen_segments(app)):
        lines += _row(y, row, ground, text)
    return "\n".join([*lines, "</g>", "</svg>"]) + "\n"


def screen_segments(app: App[Any]) -> list[list[Segment]]:
    """The rows of the screen as it was last composed; textual gives them nowhere else."""
    visible_screen_stack.set(app._background_screens)
    return [list(strip) for strip in app.screen._compositor.render_strips()]


def rows_of(svg: str) -> list[str]:
    """The text of each row of a picture, blanks at the end left out."""
    root = ElementTree.fromstring(svg)
    rows = [""] * ((int(root.attrib["height"]) - 2 * MARGIN) // CELL_HEIGHT)
    for element in root.iter(f"{_NAMESPACE}text"):
        y = round((float(element.attrib["y"]) - BASELINE) / CELL_HEIGHT)
        column = round(float(element.attrib["x"]) / CELL_WIDTH)
        rows[y] += " " * (column - cell_len(rows[y])) + (element.text or "")
    return [row.rstrip() for row in rows]


def _row(y: int, segments: Sequence[Segment], ground: str, text: str) -> list[str]:
    found: list[str] = []
    column = 0
    for segment in segments:
        if segment.control:
            continue
        width, style = cell_len(segment.text), segment.style
        ink, paper = _inks(style, ground, text)
        x, top = f"{column * CELL_WIDTH:.1f}", y * CELL_HEIGHT
        if paper != ground:
            found.append(f'<rect x="{x}" y="{top}" width="{width * CELL_WIDTH:.1f}" height="{CELL_HEIGHT}" fill="{paper}"/>')
        if words := segment.text.rstrip():
            lead = len(words) - len(words.lstrip())
            x = f"{(column + lead) * CELL_WIDTH:.1f}"
            marks = _marks(style)
            inside = escape(words.lstrip(), quote=False)
            found.append(f'<text x="{x}" y="{top + BASELINE}" fill="{ink}"{marks}>{inside}</text>')
        column += width
    return found


def too_faint(app: App[Any], ground: str, text: str) -> list[str]:
    """What on the screen cannot be read for want of contrast, and its contrast."""
    found: dict[str, None] = {}
    for segment in (segment for row in screen_segments(app) for segment in row if not segment.control and segment.text.strip()):
        ink, paper = (luminance(*Mixed.parse(colour).normalized) for colour in _inks(segment.style, ground, text))
        contrast = (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05)
        if contrast < READABLE:
            found[f"{segment.text.strip()[:40]}: {contrast:.1f}"] = None
    return list(found)


def _inks(style: Style | None, ground: str, text: str) -> tuple[str, str]:
    """The colours of a piece's text and of what it stands on."""
    if style is None:
        return text, ground
    ink, paper = _hex(style.color, text), _hex(style.bgcolor, ground)
    if style.reverse:
        ink, paper = paper, ink
    if style.dim:
        ink = Mixed.parse(ink).blend(Mixed.parse(paper), DIM_SHARE).hex6.lower()
    return ink, paper


def _marks(style: Any) -> str:
    """Weight, slant and lines of a style as attributes."""
    if style is None:
        return ""
    lines = [name for name, on in (("underline", style.underline), ("line-through", style.strike)) if on]
    return "".join(
        [
            ' font-weight="bold"' if style.bold else "",
            ' font-style="italic"' if style.italic else "",
            f' text-decoration="{" ".join(lines)}"' if lines else "",
        ]
    )


def _hex(color: Color | None, default: str) -> str:
    if color is None or color.is_default:
        return default
    return color.get_truecolor(_OWN).hex


_VARIES = re.compile(
    r"\b(\d+ min \d+ s|\d+(\.\d+)? (ms|s|min)|(today|yesterday) \d+:\d\d|(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
    r"|\d+ [A-Z][a-z]{2}( \d{4})?|process \d+)\b"
)
_TURNING = re.compile("[◐◓◑◒]")


def without_times(row: str) -> str:
    """A row in which durations, moments, process ids and the turning glyph are as good as any other.

    Its blanks count only where it has none.
    """
    if not _VARIES.search(row) and not _TURNING.search(row):
        return row
    return " ".join(_TURNING.sub("◐", _VARIES.sub("0 s", row)).split())
