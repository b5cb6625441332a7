"""What the facts of a session add up to: a fold over the log's records in file order."""

from dataclasses import dataclass, field

from flowchat.transcript.entries import (
    AnyEntry,
    AttemptUsed,
    Compacted,
    CompactionUndone,
    Edited,
    Forked,
    ItemsSet,
    LabelSet,
    Mode,
    ModelSet,
    ModeSet,
    QueueItem,
    QueueSet,
    Record,
    Seq,
    SessionStarted,
    TitleOrigin,
    TitleSet,
    Usage,
    UserSaid,
)


@dataclass
class SessionFacts:
    """The session's own state, as opposed to a branch's. Owned by the Transcript; everybody else only reads it."""

    session: str = ""
    cwd: str = ""
    title: str = ""
    title_origin: TitleOrigin | None = None
    model: str = ""
    effort: str | None = None
    mode: Mode = "default"
    held: bool = False
    said: dict[str, Seq] = field(default_factory=dict[str, Seq])
    """The seq of the user_said by client id."""
    checkpoints: list[tuple[Seq, Compacted]] = field(default_factory=list[tuple[Seq, Compacted]])
    """Every compacted of the file, in file order, with its line's seq."""
    deepest: Seq = 0
    """The last node that any of them folds."""
    undone: dict[Seq, Seq] = field(default_factory=dict[Seq, Seq])
    """The lines of checkpoints that are undone, in the order they were, each with the line that says so."""
    resting: bool = False
    """Whether a checkpoint was undone since one was written: the soft limit waits for the next."""
    items: list[tuple[Seq, ItemsSet]] = field(default_factory=list[tuple[Seq, ItemsSet]])
    """Every items_set of the file, in file order, with its line's seq."""
    labels: dict[Seq, str] = field(default_factory=dict[Seq, str])
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    attempts: dict[tuple[Seq, int, int], AttemptUsed] = field(default_factory=dict[tuple[Seq, int, int], AttemptUsed])
    """A run's requests whose usage was reported, by (run, step, attempt)."""
    rooms: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])
    """What a model that was taken to have a window of so many tokens has room for at most, since it refused what was too long."""
    messages: int = 0
    """How often somebody spoke, the user or the model."""
    edits: list[tuple[Seq, Edited]] = field(default_factory=list[tuple[Seq, Edited]])
    """Every edited of the file, of whatever branch."""
    prompts: list[Seq] = field(default_factory=list[Seq])
    """Every session_started and prompt_set of the file, of whatever branch."""
    added: list[Seq] = field(default_factory=list[Seq])
    """Every context_added, likewise."""
    todos: list[Seq] = field(default_factory=list[Seq])
    """Every answer that gives a todo list, likewise."""
    reshaped: Seq = 0
    """The newest line that made nodes before it read differently in a request: a checkpoint, its undoing, items set."""
    _queue: tuple[QueueItem, ...] = ()

    @property
    def queue(self) -> tuple[QueueItem, ...]:
        """What waits: the last queue_set less what has been said since."""
        return tuple(item for item in self._queue if item.client_id not in self.said)

    def take(self, record: Record) -> None:
        """Add one record; called in file order, once each."""
        kind = record.type
        self.messages += kind in _MESSAGES
        if kind in _INTERESTING:
            self._fold(record.seq, record.entry)
        if kind in _PROMPTS:
            self.prompts.append(record.seq)
        elif kind == "context_added":
            self.added.append(record.seq)
        elif kind == "tool_answered" and record.has_todo:
            self.todos.append(record.seq)

    def _fold(self, seq: Seq, entry: AnyEntry) -> None:
        match entry:
            case SessionStarted():
                self.session, self.cwd, self.model, self.mode = entry.session, entry.cwd, entry.model, entry.mode
            case UserSaid():
                self.said[entry.client_id] = seq
            case TitleSet():
                self.title, self.title_origin = entry.title, entry.origin
            case ModelSet():
                self.model, self.effort = entry.model, entry.effort
            case ModeSet():
                self.mode = entry.mode
            case QueueSet():
                self._queue, self.held = entry.items, entry.held
            case AttemptUsed():
                self._spend(entry)
            case Edited():
                self.edits.append((seq, entry))
            case Compacted():
                self.reshaped = seq
                self.checkpoints.append((seq, entry))
                self.deepest = max(self.deepest, entry.upto)
                self.resting = False
            case CompactionUndone():
                self.reshaped = seq
                self.undone.pop(entry.checkpoint, None)
                if entry.undone:
                    self.undone[entry.checkpoint] = seq
                self.resting = entry.undone
            case ItemsSet():
                self.reshaped = seq
                self.items.append((seq, entry))
            case LabelSet():
                self.labels[entry.node] = entry.label
            case Forked():
                self.session, self.cwd = entry.session, entry.cwd
                self._queue, self.held, self.usage, self.cost = (), False, Usage(), None
            case _:
                pass

    def _spend(self, used: AttemptUsed) -> None:
        if used.room:
            self.rooms[used.model, used.window] = used.room
        if used.usage is not None:
            if used.purpose == "run":
                self.attempts[used.run, used.step, used.attempt] = used
            self._disprove(used.model, used.usage.input)
            self.usage += used.usage
        if used.cost is not None:
            self.cost = (self.cost or 0.0) + used.cost

    def _disprove(self, model: str, read: int) -> None:
        """Who read more than there is room for has room for more."""
        for place in [place for place, room in self.rooms.items() if place[0] == model and room < read]:
            del self.rooms[place]


_MESSAGES = frozenset({"user_said", "assistant_said"})
_PROMPTS = frozenset({"session_started", "prompt_set"})
_INTERESTING = frozenset(
    {
        "session_started",
        "user_said",
        "title_set",
        "model_set",
        "mode_set",
        "queue_set",
        "attempt_used",
        "edited",
        "compacted",
        "compaction_undone",
        "items_set",
        "label_set",
        "forked",
    }
)
