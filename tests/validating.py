"""What a strict provider, and a strict reader of logs, would refuse."""

from collections import Counter
from collections.abc import Sequence

from flowchat.model.model import AssistantMessage, Message, ToolMessage, UserMessage
from flowchat.transcript.entries import Record, RunEnded, ToolAnswered, UserSaid


def broken_rules(messages: Sequence[Message]) -> list[str]:
    """What a strict provider would refuse."""
    broken: list[str] = []
    if messages and not isinstance(messages[0], UserMessage):
        broken.append("the first message is not the user's")
    waiting: list[str] = []
    for before, message in zip((None, *messages), messages, strict=False):
        if isinstance(message, ToolMessage):
            if not waiting or waiting.pop(0) != message.call_id:
                broken.append(f"{message.call_id} answers nothing, or out of order")
            continue
        if waiting:
            broken.append(f"no answers to {waiting}")
            waiting = []
        if isinstance(message, AssistantMessage):
            waiting = [call.id for call in message.calls]
            if not message.text.strip() and not message.calls:
                broken.append("an empty answer")
        elif isinstance(before, UserMessage):
            broken.append("two user messages in a row")
    return broken + ([f"no answers to {waiting}"] if waiting else [])


def broken_log(records: Sequence[Record], open_runs: int = 0) -> list[str]:
    """What cannot be in the records of one file, in file order; `open_runs` may be without an end."""
    broken = [f"line {i} has seq {record.seq}" for i, record in enumerate(records, 1) if record.seq != i]
    broken += [f"{record} cannot be read" for record in records if record.entry.__class__.__name__ in ("Damaged", "Unknown")]
    broken += [f"{r} hangs on no node" for r in records if r.parent and not records[r.parent - 1].is_node]
    ended = Counter(record.entry.run for record in records if isinstance(record.entry, RunEnded))
    started = [record.seq for record in records if record.type == "run_started"]
    broken += [f"run {run} ended {ended[run]} times" for run in started if ended[run] > 1]
    broken += [f"run {run} has no beginning" for run in ended if run not in started]
    left = [run for run in started if not ended[run]]
    broken += [f"runs {left} have no end"] if len(left) > open_runs else []
    said = Counter(record.entry.client_id for record in records if isinstance(record.entry, UserSaid))
    broken += [f"message {client_id} was said {count} times" for client_id, count in said.items() if count > 1]
    answered = Counter(record.entry.call for record in records if isinstance(record.entry, ToolAnswered))
    return broken + [f"call {call} was answered {count} times" for call, count in answered.items() if count > 1]
