"""How numbers and places are written: sizes as 68k, durations as 31 ms, 6 s, 2 min, moments as today 14:02, paths as ~/work."""

from pathlib import Path

from flowchat.transcript.times import local

_MINUTE, _HOUR = 60, 3600


def size(tokens: int) -> str:
    """Tokens: 950, 9.8k, 68k, 1.2M."""
    if tokens < 1000:
        return str(tokens)
    if tokens < 999_500:
        return f"{tokens / 1000:.1f}k" if tokens < 9_950 and tokens % 1000 >= 50 else f"{tokens / 1000:.0f}k"
    return f"{tokens / 1_000_000:.1f}M".replace(".0M", "M")


def seconds(count: float) -> str:
    """Whole seconds as one reads them off a watch: 6 s, 2 min 5 s, 1 h 3 min."""
    whole = int(count)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s" if whole % _MINUTE else f"{whole // _MINUTE} min"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def cost(dollars: float) -> str:
    return f"${dollars:.2f}" if dollars >= 0.01 or dollars == 0 else f"${dollars:.4f}"


def moment(at_ms: int, now_ms: int) -> str:
    """A time in the reader's zone: today 14:02, yesterday 9:40, Tuesday, 3 Nov, 3 Nov 2024; "unknown" for what is none."""
    at, now = local(at_ms), local(now_ms)
    if at is None or now is None:
        return "unknown"
    days = (now.date() - at.date()).days
    clock = f"{at.hour}:{at.minute:02d}"
    if days <= 0:
        return f"today {clock}"
    if days == 1:
        return f"yesterday {clock}"
    if days < 7:
        return at.strftime("%A")
    return f"{at.day} {at.strftime('%b')}" + ("" if at.year == now.year else f" {at.year}")


def many(count: int, noun: str) -> str:
    """1 message, 2 messages, 1,204 messages."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def from_home(path: str) -> str:
    """A path with the home folder as ~; any other text as it is."""
    home = str(Path.home())
    return f"~{path[len(home) :]}" if path == home or path.startswith(f"{home}/") else path
