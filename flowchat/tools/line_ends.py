"""What read_file does not show of a text and a change therefore keeps: CRLF line ends, and the mark (BOM) before it."""

from codecs import BOM_UTF8


def is_crlf(text: bytes) -> bool:
    """Whether every line of it ends in CRLF."""
    return text.count(b"\n") == text.count(b"\r\n") > 0


def with_crlf(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def in_the_manner_of(was: bytes, text: bytes) -> bytes:
    """A new text in the place of `was`, its line ends and its mark those of `was`."""
    text = with_crlf(text) if is_crlf(was) else text
    return BOM_UTF8 + text if was.startswith(BOM_UTF8) and not text.startswith(BOM_UTF8) else text
