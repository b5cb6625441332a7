"""How many cells a text takes in a terminal, where it may be cut, and what is written for text terminals do not agree on.

Terminals know different Unicode versions, and measure emoji that were put together in different ways. What is measured here is
what `as_written` makes of a text; that takes the same cells in all of them. rich measures by its own table, so it is given ours.
"""

import re
import unicodedata
from functools import cache, lru_cache

from rich import cells
from rich.cells import CellTable, cell_len, split_graphemes

KNOWN_UNICODE = "14.0.0"
"""What came later (2022) is drawn by some terminals in one cell, by others in two or in none."""
UNKNOWN_MARK = "�"

_SPACING = (
    "903 93b 93e-940 949-94c 94e-94f 982-983 9be-9c0 9c7-9c8 9cb-9cc 9d7 a03 a3e-a40 a83 abe-ac0 ac9 acb-acc b02-b03 b3e b40 "
    "b47-b48 b4b-b4c b57 bbe-bbf bc1-bc2 bc6-bc8 bca-bcc bd7 c01-c03 c41-c44 c82-c83 cbe cc0-cc4 cc7-cc8 cca-ccb cd5-cd6 "
    "d02-d03 d3e-d40 d46-d48 d4a-d4c d57 d82-d83 dcf-dd1 dd8-ddf df2-df3 f3e-f3f f7f 102b-102c 1031 1038 103b-103c 1056-1057 "
    "1062-1064 1067-106d 1083-1084 1087-108c 108f 109a-109c 1715 1734 17b6 17be-17c5 17c7-17c8 1923-1926 1929-192b 1930-1931 "
    "1933-1938 1a19-1a1a 1a55 1a57 1a61 1a63-1a64 1a6d-1a72 1b04 1b35 1b3b 1b3d-1b41 1b43-1b44 1b82 1ba1 1ba6-1ba7 1baa 1be7 "
    "1bea-1bec 1bee 1bf2-1bf3 1c24-1c2b 1c34-1c35 1ce1 1cf7 a823-a824 a827 a880-a881 a8b4-a8c3 a952-a953 a983 a9b4-a9b5 "
    "a9ba-a9bb a9be-a9c0 aa2f-aa30 aa33-aa34 aa4d aa7b aa7d aaeb aaee-aaef aaf5 abe3-abe4 abe6-abe7 abe9-abea abec 11000 11002 "
    "11082 110b0-110b2 110b7-110b8 1112c 11145-11146 11182 111b3-111b5 111bf-111c0 111ce 1122c-1122e 11232-11233 11235 "
    "112e0-112e2 11302-11303 1133e-1133f 11341-11344 11347-11348 1134b-1134d 11357 11362-11363 11435-11437 11440-11441 11445 "
    "114b0-114b2 114b9 114bb-114be 114c1 115af-115b1 115b8-115bb 115be 11630-11632 1163b-1163c 1163e 116ac 116ae-116af 116b6 "
    "11720-11721 11726 1182c-1182e 11838 11930-11935 11937-11938 1193d 11940 11942 119d1-119d3 119dc-119df 119e4 11a39 "
    "11a57-11a58 11a97 11c2f 11c3e 11ca9 11cb1 11cb4 11d8a-11d8e 11d93-11d94 11d96 11ef5-11ef6 16f51-16f87 1d165-1d166 "
    "1d16d-1d172"
)
"""Spacing combining marks (category Mc): a cell of their own by wcwidth of libc, which tmux and most terminals follow."""
_LATER = (
    "\u302e\u302f\u3248-\u324f\u2631-\u2637\u268a-\u268f\u2ffc-\u2fff\u31e4\u31e5\u31ef\u4dc0-\u4dff\U00016ff0-\U00016ff6"
    "\U000187f8-\U000187ff\U00018cff\U00018d09-\U00018df2\U0001b132\U0001b155\U0001d300-\U0001d356\U0001d360-\U0001d376"
    "\U0001f6d8\U0001f6dc\U0001fa75-\U0001fa77\U0001fa87-\U0001fa8f\U0001faad-\U0001faaf\U0001fabb-\U0001fabf\U0001fac6-\U0001facf"
    "\U0001fada-\U0001fadf\U0001fae8-\U0001faef\U0001faf7-\U0001faff"
)
"""Widened since KNOWN_UNICODE, or newer than it and wide."""
_SURE = (
    "\x00-\u0377\u0e01-\u0e3a\u0e3f-\u0e5b\u2010-\u2027\u2030-\u205e\u2070\u2071\u20a0-\u20c0\u2190-\u2426\u2460-\u262f"
    "\u2638-\u2689\u2690-\u2b73\u3001-\u302d\u3041-\u3096\u30a0-\u30ff\u3400-\u4dbf\u4e00-\u9ffc\uac00-\ud7a3\uff01-\uff9f"
    "\ufffd\U0001f300-\U0001f3fa\U0001f400-\U0001f64f\U0001f680-\U0001f6d2"
)
"""Characters of which nothing is to be looked up, ..."""
_SURE_TEXT = re.compile("[\x00-\u02ff\u2010-\u2027\u2190-\u2426\u2500-\u262f\u2713-\u2718]*")
"""... and the texts of most frames; the larger patterns wait until they are needed, for the first frame is not one of those."""
_LEFT_OUT = "[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]"
"""Variation selectors and skin tones: what they change is the look in one terminal, the width in another."""
_JOINED = "(?<!\u200d)(?P<base>[\u00a9-\u3299\U0001f000-\U0001faff])(?:\u200d[\u203c-\u3299\U0001f000-\U0001faff])+"
_PARTS = "[\u0903-\u1cf7\ua823-\uabec\U00011000-\U0001d172\U0001f1e6-\U0001f1ff]"
"""Characters with cells of their own that may belong to what stands before them."""

Cluster = tuple[int, int, int]
"""First and one past the last character of what is drawn as one, and its cells."""


def as_written(text: str) -> str:
    """The text in a form every terminal draws in `cell_len(text)` cells; nearly always as it is."""
    if _SURE_TEXT.fullmatch(text):
        return text
    return _pattern(f"{_JOINED}|[^{_SURE}]").sub(_settled, _pattern(_LEFT_OUT).sub("", text))


def clusters(text: str) -> list[Cluster]:
    """What is drawn as one character each, in order; a text is cut between them only."""
    spans = split_graphemes(text)[0]
    if not _pattern(_PARTS).search(text):
        return spans
    whole: list[Cluster] = []
    is_half_flag = False
    for first, end, size in spans:
        is_flag = "\U0001f1e6" <= text[first] <= "\U0001f1ff"
        if whole and ((is_flag and is_half_flag) or unicodedata.category(text[first]) == "Mc"):
            start, _, before = whole[-1]
            whole[-1] = (start, end, before + size)
            is_half_flag = False
        else:
            whole.append((first, end, size))
            is_half_flag = is_flag
    return whole


def clip(text: str, width: int) -> str:
    """The text, or its longest beginning of whole clusters that takes no more than `width` cells."""
    if text.isascii():
        return text[: max(0, width)]
    for first, _, size in clusters(text):
        width -= size
        if width < 0:
            return text[:first]
    return text


def _settled(found: re.Match[str]) -> str:
    """A sequence of joined emoji is wide where its first one is; else that one stands for it."""
    base = found["base"]
    if base is None:
        return _known(found[0])
    return base if cell_len(base) == 1 else found[0]


@cache
def _pattern(source: str) -> re.Pattern[str]:
    return re.compile(source)


@lru_cache(maxsize=4096)
def _known(character: str) -> str:
    if character == "☰":
        return "≡"
    if unicodedata.category(character) == "Cn" or _pattern(f"[{_LATER}]").match(character):
        return UNKNOWN_MARK * cell_len(character)
    return character


@cache
def _table(version: str = "auto") -> CellTable:
    """rich's table of KNOWN_UNICODE, in which spacing marks have their cell and no selector widens what it follows."""
    table = _load(KNOWN_UNICODE)
    spacing = iter(_SPACING.split())
    first, last = _range(next(spacing))
    rows: list[tuple[int, int, int]] = []
    for start, end, size in table.widths:
        while start <= first and last <= end:
            if start < first:
                rows.append((start, first - 1, size))
            start = last + 1
            first, last = _range(next(spacing, "110000"))
        if start <= end:
            rows.append((start, end, size))
    return CellTable(table.unicode_version, rows, frozenset())


def _range(words: str) -> tuple[int, int]:
    first, _, last = words.partition("-")
    return int(first, 16), int(last or first, 16)


_load = cells.load_cell_table  # pyright: ignore[reportPrivateImportUsage]
cells.load_cell_table = _table  # pyright: ignore[reportPrivateImportUsage]
