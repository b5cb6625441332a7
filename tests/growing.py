"""Grows a tree of records the way a transcript does, without a log: for the pure functions of a branch."""

from collections.abc import Iterable

from flowchat.agent.projection import Projection
from flowchat.transcript.entries import (
    AssistantSaid,
    AttemptUsed,
    Call,
    ContextAdded,
    Entry,
    HeadMoved,
    Node,
    Record,
    RunEnded,
    RunStarted,
    SessionStarted,
    Text,
    TodoItem,
    ToolAnswered,
    ToolSchema,
    ToolStarted,
    Usage,
    UserSaid,
    type_name,
)
from flowchat.transcript.facts import SessionFacts
from flowchat.transcript.todo import in_one_line

READ = ToolSchema("read_file", "Read a file.", {"type": "object"})


class Grown:
    """Records in file order; `head` is where the next node goes."""

    def __init__(self, *entries: Entry) -> None:
        self.records: list[Record] = []
        self.facts = SessionFacts()
        self.head = 0
        self.add(SessionStarted("s", "/w", "1", "m", "default", "You are a test.", (READ,)), *entries)

    def add(self, *entries: Entry) -> "Grown":
        for entry in entries:
            parent = self.head if isinstance(entry, Node) else None
            record = Record(len(self.records) + 1, 1_000 * len(self.records), parent, type_name(entry), entry)
            self.records.append(record)
            if record.is_node:
                self.head = record.seq
            elif isinstance(entry, HeadMoved):
                self.head = entry.to
            self.facts.take(record)
        return self

    @property
    def last(self) -> int:
        return len(self.records)

    def branch(self) -> tuple[Record, ...]:
        path: list[Record] = []
        seq = self.head
        while seq:
            record = self.records[seq - 1]
            path.append(record)
            seq = record.parent or 0
        return tuple(reversed(path))

    # --- what people and models say ----------------------------------------------------------------------------------
    def user(self, text: str, **fields: object) -> "Grown":
        return self.add(UserSaid(f"c{self.last}", (Text(text),), **fields))

    def run(self, trigger: str = "send") -> "Grown":
        self.add(RunStarted(trigger, "m"))
        self.started = self.last
        return self

    def says(self, text: str, *calls: str, step: int = 1, finish: str = "") -> "Grown":
        parts = ((Text(text),) if text else ()) + tuple(Call(f"x{i}", name, "{}") for i, name in enumerate(calls))
        said = AssistantSaid(self.started, step, 1, "m", parts, finish or ("calls" if calls else "stop"))
        self.add(said)
        self.said = self.last
        return self

    def answers(self, index: int, content: str, status: str = "ok", todo: tuple[TodoItem, ...] | None = None) -> "Grown":
        call = f"{self.said}.{index}"
        return self.add(ToolStarted(call), ToolAnswered(call, status, content[:60], content, todo=todo))

    def plans(self, *items: str, step: int = 1) -> "Grown":
        """A todo list of items as `todo_list` takes them, called for and answered."""
        given = todo_list(*items)
        return self.says("", "todo", step=step).answers(0, in_one_line(given), todo=given)

    def counted(self, read: int, written: int = 0, **fields: object) -> "Grown":
        """What the request of the last answer took, as its model counted."""
        branch = self.branch()
        place = max(place for place, record in enumerate(branch) if isinstance(record.entry, AssistantSaid))
        said, seen = branch[place].entry, Projection()
        assert isinstance(said, AssistantSaid)
        seen.follow(branch[:place], self.facts, "p")
        place = said.run, said.step, said.attempt
        given = {"usage": Usage(input=read, output=written), "sent_bytes": seen.end(), **fields}
        return self.add(AttemptUsed(*place, "run", said.model, **given))

    def ends(self, outcome: str = "completed", **fields: object) -> "Grown":
        return self.add(RunEnded(self.started, outcome, 1, 5, **fields))

    def context(self, source: str, origin: str, text: str) -> "Grown":
        return self.add(ContextAdded(source, origin, (Text(text),), sha256=f"sha-{text}"))

    def turn(self, question: str, answer: str) -> "Grown":
        return self.user(question).run().says(answer).ends()


def todo_list(*items: str) -> tuple[TodoItem, ...]:
    """Items as `done read it`, `now change it` or `next test it`."""
    statuses = {"done": "done", "now": "in_progress", "next": "pending"}
    return tuple(TodoItem(text, statuses[status]) for status, _, text in (item.partition(" ") for item in items))


def texts(messages: Iterable[object]) -> list[str]:
    """Messages in short: `user: ...`, `assistant: ... (calls)`, `tool id: ...`."""
    from flowchat.model.model import AssistantMessage, ToolMessage, UserMessage

    short: list[str] = []
    for message in messages:
        match message:
            case UserMessage(pieces=pieces):
                short.append("user: " + "|".join(piece.text for piece in pieces))
            case AssistantMessage(text=text, calls=calls):
                names = "".join(f" [{call.id} {call.name} {call.args}]" for call in calls)
                short.append(f"assistant: {text}{names}")
            case ToolMessage(call_id=call_id, text=text):
                short.append(f"tool {call_id}: {text}")
            case _:
                raise AssertionError(message)
    return short
