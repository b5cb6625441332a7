"""What a key makes of one line of text, where a list is narrowed or a name is given."""

from textual import events

from flowchat.transcript.clean import clean

LINE_LIMIT_CHARS = 500
"""Of what is pasted into such a line no more is taken: nothing that is sought or named is longer."""


def edited(text: str, event: events.Key) -> str | None:
    """The line after a key: a character more or less, a word less, or emptied; None where the key is not about it."""
    match event.key:
        case "backspace" | "ctrl+h" | "shift+backspace":
            return text[:-1]
        case "ctrl+w" | "alt+backspace":
            return text.rstrip()[: len(text.rstrip()) - len(text.split()[-1])] if text.strip() else ""
        case "ctrl+u":
            return ""
        case _ if event.is_printable and event.character:
            return text + event.character
        case _:
            return None


def pasted(text: str, event: events.Paste) -> str:
    """The line with a paste at its end, line breaks as spaces; of a long one the beginning."""
    return (text + clean(event.text[:LINE_LIMIT_CHARS].replace("\n", " ")))[:LINE_LIMIT_CHARS]
