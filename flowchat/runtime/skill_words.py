"""What the model is told of skills: the list of them, and those that a message names with `$name`; pure."""

import re
from collections.abc import Container, Sequence

from flowchat.agent.reading import Told
from flowchat.runtime.added import added, changed
from flowchat.runtime.skill_file import SLUG
from flowchat.runtime.skills import Found, Skill
from flowchat.transcript.entries import SKILL_LIST, ContextAdded, Noticed, Record, Seq, text_of

LIST_LIMIT_BYTES = 8 * 1024
"""The whole list: it is in every request."""
NAMED_LIMIT = 10
"""Skills that the messages of one step add."""
TOGETHER_LIMIT_BYTES = 64 * 1024
"""All that one conversation was told: no compaction folds them."""
LINE_LIMIT_CHARS = 10_000
"""A longer line nobody wrote: it is not searched for names."""
NOTICE_NAMES = 5
"""Named in one notice."""
NONE_LEFT = "(there are no skills any more)"
_PREFACE = (
    "Skills are instructions for certain tasks, kept in files. Where one fits the task, read its file with read_file before you"
    " begin and follow it; what it names lies beside that file. The user names one with $NAME, which shows it to you whole."
)
_NAMED = re.compile(rf"(?<![^\s(])\$({SLUG})(?=[.,:!?)]*(?:\s|\Z))")
_MEANT = re.compile(r"[a-z][a-z0-9]+(?:-[a-z0-9]+)*")
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})(.*)")
_SPAN = re.compile(r"`[^`]*`")


def named_in(text: str) -> list[str]:
    """What a message calls with `$name`, each once, in order. Code does not count, be it fenced or in backquotes, and neither
    does what has more around it than a sentence puts there: `$HOME`, `$a.b`, `$x=1`, `a$b`."""
    words: list[str] = []
    fence = ""
    for line in text.split("\n") if "$" in text else ():
        if len(line) > LINE_LIMIT_CHARS:
            continue
        mark = _FENCE.match(line)
        if fence:
            fence = "" if mark and mark[1].startswith(fence) and not mark[2].strip() else fence
        elif mark:
            fence = mark[1]
        else:
            words += _NAMED.findall(_SPAN.sub("``", line))
    return list(dict.fromkeys(words))


def list_news(found: Found, told: Told) -> list[ContextAdded | Noticed]:
    """What to append of the list of skills that the model may use by itself, and a notice where there is no room for all."""
    lines = [f"- {text.name}: {text.description} ({skill.file})" for skill, text in found.usable() if text.for_model]
    if not lines:
        return changed(told, "skill", SKILL_LIST, NONE_LEFT) if ("skill", SKILL_LIST) in told else []
    kept, free = [_PREFACE], LIST_LIMIT_BYTES - len(_PREFACE)
    for line in lines:
        free -= len(line.encode()) + 1
        if free < 0:
            break
        kept.append(line)
    left = len(lines) + 1 - len(kept)
    if not left:
        return changed(told, "skill", SKILL_LIST, "\n".join(kept))
    news = changed(told, "skill", SKILL_LIST, "\n".join([*kept, f"[{left} more are not listed]"]))
    skills, them = ("1 skill", "it") if left == 1 else (f"{left} skills", "them")
    room = f"their list may take at most {LIST_LIMIT_BYTES // 1024} KiB"
    sentence = f"The model is not told of {skills}: {room}; name {them} with $"
    return [*news, Noticed("warning", SKILL_LIST, sentence)] if news else []


def naming_news(
    names: Sequence[str], found: Found, branch: Sequence[Record], out: Container[Seq] = ()
) -> tuple[list[ContextAdded], str]:
    """What to append of the skills that were named, and a sentence about those that add nothing; empty where there are none.

    What the branch has just so is not said again, and no notice is about that; `out` are nodes of it that are not sent.
    """
    on_branch = _on_branch(branch, out)
    together = sum(size for _, size in on_branch.values())
    news: list[ContextAdded] = []
    refused: list[str] = []
    for name in names:
        skill = found.named(name)
        if skill is None:
            refused += [f"${name} (no such skill)"] if found.skills and _MEANT.fullmatch(name) else []
            continue
        new = _whole(skill)
        if skill.refusal or new is None:
            refused.append(f"${name} ({skill.refusal})")
            continue
        sha256, size_before = on_branch.get(new.origin, ("", 0))
        if sha256 == new.sha256:
            continue
        if len(news) == NAMED_LIMIT:
            refused.append(f"${name} (more than {NAMED_LIMIT} at once)")
        elif together - size_before + _size(new) > TOGETHER_LIMIT_BYTES:
            refused.append(f"${name} (the skills of this conversation would be over {TOGETHER_LIMIT_BYTES // 1024} KiB)")
        else:
            together += _size(new) - size_before
            news.append(new)
    return news, _sentence(refused)


def _on_branch(branch: Sequence[Record], out: Container[Seq]) -> dict[str, tuple[str | None, int]]:
    """The sha256 and the bytes of each skill the branch was told, by its path; the newest counts, none that is `out`."""
    entries = (record.entry for record in branch if record.type == "context_added" and record.seq not in out)
    return {
        entry.origin: (entry.sha256, _size(entry))
        for entry in entries
        if isinstance(entry, ContextAdded) and entry.source == "skill" and entry.origin != SKILL_LIST
    }


def _whole(skill: Skill) -> ContextAdded | None:
    """A skill as the model gets it; None where it could not be read."""
    if skill.text is None:
        return None
    rest = "; $ARGUMENTS stands for the rest of the user's message" if "$ARGUMENTS" in skill.text.body else ""
    head = f"skill {skill.text.name}; what it names lies in {skill.folder}{rest}"
    return added("skill", str(skill.file), f"{head}\n\n{skill.text.body}")


def _size(entry: ContextAdded) -> int:
    return len(text_of(entry.parts).encode())


def _sentence(refused: Sequence[str]) -> str:
    if not refused:
        return ""
    more = f" and {len(refused) - NOTICE_NAMES} more" if len(refused) > NOTICE_NAMES else ""
    return f"Not added: {', '.join(refused[:NOTICE_NAMES])}{more}. /skills lists what there is."
