"""Long pastes that stand folded in the text being written: each is one placeholder there, and the whole text when it is read."""

import re

FOLD_LINES, FOLD_CHARS = 10, 2_000
"""A paste of more than either is folded."""
_BODY = 0xF0000
"""Added to the code of each ASCII character of a placeholder but the first: private ones, which no text is made of."""
_HEAD = 0x100000
_HEADS = 0xFFFD
_FOLD = re.compile("[\U00100000-\U0010fffd][\U000f0020-\U000f007e]+")
_SHOWN = {_BODY + code: code for code in range(0x20, 0x7F)}


class Folds:
    """The folded pastes of one composer. A placeholder's first character says which paste it stands for."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._opened: set[int] = set()

    def fold(self, text: str) -> str:
        """The placeholder of a paste if it is long, else the text as it is."""
        lines = text.count("\n") + 1
        if (lines <= FOLD_LINES and len(text) <= FOLD_CHARS) or len(self._texts) > _HEADS:
            return text
        many = f"{lines:,} lines" if lines > FOLD_LINES else f"{len(text):,} characters"
        self._texts.append(text)
        return _placeholder(len(self._texts) - 1, many)

    def grown(self, placeholder: str, more: str) -> str:
        """The placeholder of a paste that goes on."""
        return self.fold(self.whole(placeholder) + more)

    def folded(self, text: str) -> str:
        """A text with the pastes that were folded here before, and not opened, folded again."""
        for number, paste in enumerate(self._texts):
            if number not in self._opened and paste in text:
                lines = paste.count("\n") + 1
                many = f"{lines:,} lines" if lines > FOLD_LINES else f"{len(paste):,} characters"
                text = text.replace(paste, _placeholder(number, many))
        return text

    def whole(self, text: str) -> str:
        """The text with all of every paste."""
        return _FOLD.sub(self._paste, text) if self._texts else text

    def open(self, placeholder: str) -> str:
        """The paste a placeholder stands for; it is not folded again."""
        self._opened.add(ord(placeholder[0]) - _HEAD)
        return self.whole(placeholder)

    def _paste(self, found: re.Match[str]) -> str:
        number = ord(found[0][0]) - _HEAD
        return self._texts[number] if number < len(self._texts) else found[0]


def around(line: str, column: int) -> tuple[int, int] | None:
    """Where the placeholder begins and ends that a caret before `column` touches; the one before it comes first."""
    touched = [found.span() for found in _FOLD.finditer(line) if found.start() <= column <= found.end()]
    return touched[0] if touched else None


def is_inside(character: str) -> bool:
    """Whether a character of a line belongs to the placeholder that began before it."""
    return "\U000f0020" <= character <= "\U000f007e"


def shown(text: str) -> str:
    """The text with its placeholders as they are drawn."""
    return _FOLD.sub(lambda found: "[" + found[0][1:].translate(_SHOWN), text)


def _placeholder(number: int, many: str) -> str:
    return chr(_HEAD + number) + "".join(chr(_BODY + ord(character)) for character in f"pasted {many}]")
