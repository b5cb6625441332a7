"""What the decision bar says of a question: what is about to happen, where and why, what is left out, what each key does."""

from collections.abc import Mapping

from msgspec import Struct
from rich.cells import cell_len
from rich.style import Style

from flowchat.transcript.clean import Clean, clean
from flowchat.transcript.events import ApprovalAsked, Lasting
from flowchat.ui.diffs import diff_rows, read_diff
from flowchat.ui.figures import from_home, many
from flowchat.ui.keymap import DEFAULT, Keymap
from flowchat.ui.palette import Palette
from flowchat.ui.prose import Row, wrapped
from flowchat.ui.strips import Piece

BODY_LIMIT_CHARS, BODY_LIMIT_LINES = 32 * 1024, 1_000
"""Of a longer command or diff so much of its beginning is shown, and as much of its end."""
VALUE_LIMIT_CHARS = 1_000
"""The same for a path, a reason, a title."""
GRANT_LIMIT_ROWS = 2
GAP_CELLS = 4
"""Between two choices, unless that takes more than CHOICE_ROWS."""
CHOICE_ROWS = 2
_PLACES = {"local": "this project", "user": "all projects"}
TITLE_ROOM = 18
"""Cells of the head that are not the title's; a title that does not fit beside them is told in full below."""
_CHOICES = {
    "once": "once",
    "session": "this session",
    "always": "always...",
    "deny": "no",
    "because": "no, because...",
    "stop": "stop",
}
"""The words of each act of keys.APPROVAL that decides."""


class Question(Struct, frozen=True):
    """The rows for one width. `always` stands above the choices whatever is scrolled, `change` is the first changed row, or 0."""

    title: str
    body: list[Row]
    change: int
    always: list[Row]
    choices: list[Row]


def lay_out(asked: ApprovalAsked, width: int, palette: Palette, keymap: Keymap = DEFAULT) -> Question:
    """The rows of a question; the work is bounded, whatever its length."""
    preview = asked.preview
    title = _value(preview.title)
    whole_title = [] if cell_len(title) <= width - TITLE_ROOM else _texts(title, width, palette.text)
    head, gap, tail = _ends(preview.body, BODY_LIMIT_CHARS, BODY_LIMIT_LINES)
    if preview.body_kind == "diff":
        shown = [*_diff(_without_names(head), width, palette), *_gap(gap, width, palette), *_diff(tail, width, palette)]
    else:
        style = palette.text + palette.bold
        shown = [*_texts(head, width, style), *_gap(gap, width, palette), *_texts(tail, width, style)]
    told = _told(asked, width, palette)
    body = [*whole_title, *told, *shown] if preview.body_kind == "diff" else [*whole_title, *shown, *told]
    change = next((number for number, row in enumerate(body) if _is_change(row, palette)), 0)
    choices, always = _choices(asked, width, palette, keymap)
    return Question(title, body, change, [*_gap(gap, width, palette), *always], choices)


def _ends(text: str, limit_chars: int, limit_lines: int) -> tuple[Clean, str, Clean]:
    """A text's beginning and its end, and what is to be said of what lies between; empty where that is nothing."""
    start, end = _after(text, limit_chars, limit_lines), _before(text, limit_chars, limit_lines)
    if start >= end:
        return clean(text), "", clean("")
    hidden = many(end - start, "character")
    lines = text.count("\n", start + 1, end - 1) + 1
    between = f"{hidden} on {many(lines, 'line')}" if lines > 1 else hidden
    return clean(text[:start]), f"{between} in the middle are not shown", clean(text[end:])


def _after(text: str, chars: int, lines: int) -> int:
    """Where so many characters, or lines if they are fewer, end."""
    place = -1
    for _ in range(lines):
        place = text.find("\n", place + 1, chars)
        if place < 0:
            return min(chars, len(text))
    return place


def _before(text: str, chars: int, lines: int) -> int:
    """Where the last so many characters, or lines if they are fewer, begin."""
    first = max(0, len(text) - chars)
    place = len(text)
    for _ in range(lines):
        place = text.rfind("\n", first, place)
        if place < 0:
            return first
    return place + 1


def _value(text: str) -> Clean:
    """A text of one line or a few, its middle left out where it is long."""
    head, gap, tail = _ends(text, VALUE_LIMIT_CHARS, VALUE_LIMIT_CHARS)
    return Clean(f"{head} [{gap}] {tail}") if gap else head


def _texts(text: str, width: int, style: Style) -> list[Row]:
    rows = wrapped(text, max(8, width - 4)) if text else []
    return [[("  ", style), (row, style)] for row in rows]


def _gap(gap: str, width: int, palette: Palette) -> list[Row]:
    return _texts(gap, width, palette.warn)


def _told(asked: ApprovalAsked, width: int, palette: Palette) -> list[Row]:
    told = (*asked.preview.lines, *((("because", asked.reason),) if asked.reason else ()))
    label_width = max((cell_len(label) for label, _ in told), default=0)
    rows: list[Row] = []
    for label, value in told:
        for index, text in enumerate(wrapped(_value(from_home(value)), max(8, width - label_width - 7))):
            head = clean(label).ljust(label_width) if index == 0 else " " * label_width
            rows.append([("  ", palette.text), (head, palette.dim), ("   ", palette.text), (text, palette.text)])
    return rows


def _without_names(diff: str) -> str:
    """A diff without its two lines of file names: the title asks about the file."""
    if not diff.startswith("--- "):
        return diff
    _, _, rest = diff.partition("\n")
    return rest.partition("\n")[2] if rest.startswith("+++ ") else diff


def _diff(text: str, width: int, palette: Palette) -> list[Row]:
    rows = diff_rows(read_diff(text, is_whole=False), palette, max(12, width - 4)) if text else []
    return [[("  ", palette.text), *row] for row in rows]


def _is_change(row: Row, palette: Palette) -> bool:
    """Whether it shows a line of a diff that was taken out or came in."""
    return any(piece in row for piece in (("+ ", palette.good), ("- ", palette.bad)))


def _choices(asked: ApprovalAsked, width: int, palette: Palette, keymap: Keymap) -> tuple[list[Row], list[Row]]:
    """The choices, and where there is no room among them what is freed for the session, as rows of its own."""
    grant = _value(asked.grant)
    inline = _CHOICES | {"session": f"{_CHOICES['session']}: {grant}"}
    missing = {"session"} if not asked.grant else set[str]()
    missing |= {"always"} if asked.lasting is None else set()
    names = {act: name for act in _CHOICES if act not in missing and (name := keymap.name("approval", act))}
    fits = sum(_size(names[act], inline[act]) for act in ("once", "session", "always", "deny") if act in names) < width
    rows = _in_rows(names, inline if fits else _CHOICES, width, GAP_CELLS, palette)
    if len(rows) > CHOICE_ROWS:
        rows = _in_rows(names, _CHOICES | {"session": "session", "always": "always"}, width, 2, palette)
    return rows, [] if fits or "session" not in names else _freed(names["session"], grant, width, palette)


def _in_rows(names: Mapping[str, str], words: Mapping[str, str], width: int, gap: int, palette: Palette) -> list[Row]:
    """Keys and what they do, so many cells between them, in as many rows as they need."""
    rows: list[list[Piece]] = [[]]
    used = 0
    for act, key in names.items():
        size = _size(key, words[act]) - GAP_CELLS + gap
        if used + size > width - 1 and rows[-1]:
            rows.append([])
            used = 0
        indent = "  " if not rows[-1] else " " * gap
        rows[-1] += [(indent, palette.text), (key, palette.accent + palette.bold), (f" {words[act]}", palette.text)]
        used += size
    return list(rows)


def lay_out_lasting(lasting: Lasting, width: int, palette: Palette, keymap: Keymap) -> Question:
    """What allowing it always writes down, to the letter, and the keys for where."""
    body: list[Row] = []
    for rule in lasting.rules:
        first, *rest = wrapped(clean(rule), max(8, width - 11))
        body.append([("  ", palette.text), ("allow  ", palette.good), (first, palette.text + palette.bold)])
        body += [[("         ", palette.text), (text, palette.text + palette.bold)] for text in rest]
    choices: list[Row] = []
    for scope, place in lasting.places:
        first, *rest = wrapped(_value(f"{_PLACES[scope]}: {from_home(place)}"), max(8, width - 6))
        key = keymap.name("approval", scope)
        choices.append([("  ", palette.text), (key, palette.accent + palette.bold), (f" {first}", palette.text)])
        choices += [[("    ", palette.text), (text, palette.text)] for text in rest]
    choices.append(
        [("  ", palette.text), (keymap.name("approval", "stop"), palette.accent + palette.bold), (" back", palette.text)]
    )
    title = "Write this rule?" if len(lasting.rules) == 1 else "Write these rules?"
    return Question(title, body, 0, [], choices)


def _size(key: str, word: str) -> int:
    return len(key) + cell_len(word) + 1 + GAP_CELLS


def _freed(key: str, grant: str, width: int, palette: Palette) -> list[Row]:
    rows = wrapped(f"{key} allows {grant}", max(8, width - 4))
    if len(rows) > GRANT_LIMIT_ROWS:
        rows = [*rows[: GRANT_LIMIT_ROWS - 1], f"… {rows[-1]}"]
    return [[("  ", palette.text), (row, palette.dim)] for row in rows]
