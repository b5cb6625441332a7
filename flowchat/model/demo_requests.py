"""What the demo model makes of a message: which tools to call, in which steps, and what to say about it. Pure."""

import re
from typing import Literal

from msgspec import Struct

Calls = tuple[tuple[str, dict[str, object]], ...]
CALLS_LIMIT = 8
"""The most calls one message leads to."""


class Wanted(Struct, frozen=True):
    """`steps`: the calls of each step; `announcements`: what is said with them; `report` introduces their answers."""

    kind: Literal["tools", "long", "think", "help"]
    steps: tuple[Calls, ...] = ()
    announcements: tuple[str, ...] = ()
    report: str = ""
    topic: str = ""
    thinking: str = ""


def read_request(message: str) -> Wanted:
    """Whole-message forms first (run, write, edit, plan, think, long), then any number of list, read, find and grep."""
    text = re.sub(r"(?i)^(?:please|can you|could you|now|then)[\s,]+", "", message.strip())
    for reader in (_long, _think, _plan, _run, _write, _edit):
        if (wanted := reader(text)) is not None:
            return wanted
    calls = _looks(text)
    if calls:
        names = ", ".join(_describe(name, args) for name, args in calls)
        return Wanted("tools", (calls,), (f"{names[0].upper()}{names[1:]}.",), _report_of(calls))
    return Wanted("help")


def _long(text: str) -> Wanted | None:
    return Wanted("long") if re.match(r"(?i)(?:a )?long\b|(?:write|give me|show me) (?:me )?a long\b", text) else None


def _think(text: str) -> Wanted | None:
    if not (match := re.match(r"(?is)think\b(?:\s+(?:hard|about|of))*\s*(.*)", text)):
        return None
    topic = " ".join(match[1].split())[:80].rstrip("?.!")
    about = topic or "this"
    thinking = (
        f"The message asks me to think about {about}. I am a small program that matches words, so there is nothing to"
        " weigh. Still, this is how thinking looks while it streams: it is shown apart from the answer, it can be folded,"
        " and its time is counted.\n"
    )
    return Wanted("think", topic=topic, thinking=thinking)


def _plan(text: str) -> Wanted | None:
    if not (match := re.match(r"(?is)(?:make a )?plan\b(?:\s+(?:for|to|how to))?\s*(.*)", text)):
        return None
    goal = " ".join(match[1].split())[:120].rstrip(".") or "the change"
    report = (
        f"A plan for {goal}:\n\n1. Look at what is there (done, below).\n2. Read the files the change touches."
        "\n3. Make the smallest edit that works, one file at a time.\n4. Run the tests and read what they say."
        "\n5. Sum up what changed and what is left."
    )
    return Wanted("tools", ((("list_dir", {"path": "."}),),), ("A plan starts with a look around.",), report)


def _run(text: str) -> Wanted | None:
    if not (match := re.match(r"(?is)(?:run|execute|shell|\$|!)(?:\s*[:`]+\s*|\s+)(.+)", text)):
        return None
    command = match[1].strip().strip("`").strip()
    if re.fullmatch(r"(?i)(?:the |all )?tests?\.?", command):
        command = "python3 -m pytest -q"
    return Wanted("tools", ((("shell", {"command": command}),),), (f"Running `{command}`.",), "The command has ended.")


def _write(text: str) -> Wanted | None:
    if match := re.match(r"(?is)(?:write|create)\s+(?:a file\s+|file\s+)?([^\s:]+)\s*(?::\s*|\s+with\s+|\n)(.*)", text):
        path, content = match[1], match[2]
    elif match := re.match(r"(?is)write\s+(.+?)\s+(?:to|into)\s+(\S+)\s*$", text):
        path, content = match[2], match[1]
    else:
        return None
    path, content = _bare(path), _unquoted(content)
    args: dict[str, object] = {"path": path, "content": content if content.endswith("\n") else content + "\n"}
    return Wanted("tools", ((("write_file", args),),), (f"Writing {path}.",), f"{path} was to be written.")


def _edit(text: str) -> Wanted | None:
    if match := re.match(r"(?is)replace\s+(.+?)\s+(?:with|by)\s+(.+?)\s+in\s+(\S+)\s*$", text):
        old, new, path = match[1], match[2], match[3]
    elif match := re.match(r"(?is)edit\s+(\S+?):?\s+(?:replace\s+)?(.+?)\s+(?:with|by|->|=>)\s+(.+)$", text):
        path, old, new = match[1], match[2], match[3]
    else:
        return None
    every = re.match(r"(?i)(?:all|every)\s+(.+)$", old)
    path = _bare(path)
    args: dict[str, object] = {"path": path, "old": _unquoted(every[1] if every else old), "new": _unquoted(new)}
    if every:
        args["all"] = True
    reading: Calls = (("read_file", {"path": path}),)
    return Wanted(
        "tools", (reading, (("edit_file", args),)), (f"Reading {path} first.", f"Editing {path}."), f"{path} was to be edited."
    )


def _looks(text: str) -> Calls:
    """The read-only calls of a message, clause by clause; empty as soon as a clause is none."""
    calls: list[tuple[str, dict[str, object]]] = []
    for clause in re.split(
        r"(?i)\n+|;\s*|,?\s+and\s+then\s+|,\s*then\s+|(?:,\s*|\s+)and\s+(?=(?:list|ls|read|show|cat|find|grep|search)\b)", text
    ):
        found = _look(clause.strip().rstrip("."))
        if not found:
            return ()
        calls.extend(found)
    return tuple(calls[:CALLS_LIMIT])


def _look(clause: str) -> Calls:
    if match := re.match(
        r"(?i)(?:list|ls)\b(?:\s+(?:all|the|files|folders|everything))*(?:\s+(?:in|of|under))?\s*(\S+)?$", clause
    ):
        return (("list_dir", {"path": _bare(match[1] or ".")}),)
    if match := re.match(r"(?i)(?:read|show|cat|open)\s+(?:me\s+)?(?:the\s+)?(?:files?\s+)?(.+)$", clause):
        paths = [_bare(path) for path in re.split(r"\s*,\s*|\s+and\s+|\s+", match[1])]
        return tuple(("read_file", {"path": path}) for path in paths if path)
    if match := re.match(
        r"(?i)find\s+(?:all\s+|the\s+)*(?:files?\s+)?(?:named\s+|matching\s+|called\s+)?(\S+)(?:\s+files)?$", clause
    ):
        pattern = _bare(match[1])
        return (("glob", {"pattern": pattern if re.search(r"[*?\[]", pattern) else f"**/*{pattern}*"}),)
    if match := re.match(r"(?i)(?:grep|search)\s+(?:for\s+)?(\"[^\"]+\"|'[^']+'|`[^`]+`|.+?)(?:\s+in\s+(\S+))?$", clause):
        args: dict[str, object] = {"pattern": _unquoted(match[1])}
        return (("grep", {**args, "path": _bare(match[2])} if match[2] else args),)
    return ()


_VERBS = {"list_dir": "listing", "read_file": "reading", "glob": "finding", "grep": "searching for"}


def _describe(name: str, args: dict[str, object]) -> str:
    subject = args.get("pattern") or args.get("path")
    return f"{_VERBS[name]} `{subject}`"


def _report_of(calls: Calls) -> str:
    return "This is what the tool answered." if len(calls) == 1 else f"These are the {len(calls)} answers."


def _bare(path: str) -> str:
    return path.strip().strip("\"'`,").removeprefix("@")


def _unquoted(text: str) -> str:
    text = text.strip()
    fenced = re.fullmatch(r"(?s)```[\w+-]*\n(.*?)\n?```", text)
    if fenced:
        return fenced[1]
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'`" else text
