"""What was written before, walked with Up and Down; the text being written waits at its end."""

HISTORY_LIMIT = 500
"""Messages remembered; older ones are forgotten."""


class History:
    """Earlier texts, oldest first, and where the walker stands."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._unsent = ""
        self._at: int | None = None

    def load(self, texts: list[str]) -> None:
        """Start over with the messages of a session."""
        self._texts, self._at = [], None
        for text in texts[-HISTORY_LIMIT:]:
            self.add(text)

    def add(self, text: str) -> None:
        """Remember a text and stand at the end again; what equals the newest is not kept twice."""
        self._at = None
        if text.strip() and self._texts[-1:] != [text]:
            self._texts.append(text)
            del self._texts[:-HISTORY_LIMIT]

    def older(self, unsent: str) -> str | None:
        """The text before the one that is shown (`unsent` before the first step); None at the oldest."""
        at = len(self._texts) if self._at is None else self._at
        if at == 0:
            return None
        if self._at is None:
            self._unsent = unsent
        self._at = at - 1
        return self._texts[self._at]

    def newer(self) -> str | None:
        """The text after the one that is shown, at last the unsent one; None before the first step."""
        if self._at is None:
            return None
        self._at += 1
        if self._at < len(self._texts):
            return self._texts[self._at]
        self._at = None
        return self._unsent
