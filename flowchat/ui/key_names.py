"""How keys are called: textual's names for them, and what people write and read."""

import re
import string
import unicodedata
from functools import lru_cache

_NAMES = {"pageup": "PageUp", "pagedown": "PageDown", "escape": "Esc"}
_SIGN_NAMES = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}
"""Where textual's name of a sign is not the one of Unicode (textual 8.2.8, keys.KEY_NAME_REPLACEMENTS)."""
_WRITTEN = {
    "esc": "escape",
    "return": "enter",
    "del": "delete",
    "ins": "insert",
    "pgup": "pageup",
    "pgdn": "pagedown",
    "pgdown": "pagedown",
    "control": "ctrl",
    "option": "alt",
    "opt": "alt",
    "meta": "alt",
    "ctrl+i": "tab",
    "ctrl+m": "enter",
    "ctrl+left_square_bracket": "escape",
    "ctrl+space": "ctrl+at",
}
"""What people write, and what a terminal sends for it, in textual's names."""
_ARROWS = {"up", "down", "left", "right", "home", "end", "pageup", "pagedown"}
_KEYS = _ARROWS | {"insert", "delete", "backspace", "enter", "tab", "space", "escape", *(f"f{number}" for number in range(1, 25))}
_MODIFIERS = {"alt", "ctrl", "shift"}


def shown(key: str) -> str:
    """A key as hints write it: `Ctrl+J`, `Shift+Tab`, `PageUp`; a letter alone as it is typed."""
    if len(key) == 1:
        return key
    signs = {name: sign for sign, name in _signs().items()}
    return "+".join(_NAMES.get(part) or signs.get(part) or part.capitalize() for part in key.split("+"))


def key_named(name: str) -> str | None:
    """Textual's name of a key as people write it, `Ctrl+G`, `alt+[`, `pgup`; None: it is not a key."""
    *before, last = [part.strip() for part in re.split(r"(?<=[^+])\+", name.strip())]
    modifiers = sorted({_WRITTEN.get(part.lower(), part.lower()) for part in before})
    last = _signs().get(last) or (last if len(last) == 1 and not modifiers else last.lower())
    last = _WRITTEN.get(last, last)
    is_known = (len(last) == 1 and last.isprintable()) or last in _KEYS or last in _signs().values()
    if not is_known or not _MODIFIERS.issuperset(modifiers):
        return None
    if modifiers == ["shift"] and len(last) == 1:
        return last.upper()
    key = "+".join([*modifiers, last])
    return _WRITTEN.get(key, key)


def is_text(key: str) -> bool:
    """Whether a key writes a character."""
    return len(key) == 1 or key.removeprefix("shift+") in {"space", *_signs().values()}


@lru_cache(maxsize=1)
def _signs() -> dict[str, str]:
    """Textual's names of the signs of ASCII."""
    named = {sign: unicodedata.name(sign).lower().replace("-", "_").replace(" ", "_") for sign in string.punctuation}
    return {sign: _SIGN_NAMES.get(name, name) for sign, name in named.items()}
