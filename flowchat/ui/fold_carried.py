"""What travels beside a summary, a row each: the user's directives, pinned lines, what is open or unanswered, files."""

from collections.abc import Sequence

from msgspec import Struct

from flowchat.agent.proposal import Item, Proposal, weight
from flowchat.transcript.todo import open_items
from flowchat.ui.figures import size
from flowchat.ui.prose import beginning, one_line

LABEL_CELLS = 10
"""The longest label."""


class Carried(Struct, frozen=True):
    """`text` is Clean and one line. `item`: how it is dropped; None: it always travels, and `why` says so."""

    label: str
    text: str
    item: Item | None = None
    why: str = ""


def carried(proposal: Proposal, waiting: Sequence[str]) -> list[Carried]:
    """The rows of a proposal; `waiting`: the messages that have no answer yet."""
    open_ = [("todo now" if item.status == "in_progress" else "todo", item.text) for item in open_items(proposal.todo)]
    kept, answers = "What is open of the todo list always travels", "What waits for its answer always travels"
    return [
        *(Carried("directive", one_line(line), ("directive", line)) for line in proposal.directives),
        *(Carried("pinned", one_line(line), ("pinned", line)) for line in proposal.pinned),
        *(Carried(label, one_line(text), why=kept) for label, text in open_),
        *(Carried("unanswered", one_line(beginning(text)), why=answers) for text in waiting),
        *(Carried(f"file {size(weight(copy))}", _place(copy.path, copy.first_line), ("file", copy)) for copy in proposal.files),
        *(Carried("reference", one_line(path), ("reference", path)) for path in proposal.references),
    ]


def _place(path: str, first_line: int) -> str:
    return one_line(path) + (f", from line {first_line:,}" if first_line > 1 else "")
