"""The step in flight: what has been streamed and answered but is in no entry yet, so that an interrupt can keep it."""

from flowchat.model.model import CallPiece, TextPiece, ThinkingPiece
from flowchat.transcript.draft import OUTPUT_LIMIT_CHARS
from flowchat.transcript.entries import (
    AssistantPart,
    AssistantSaid,
    CallCut,
    CallId,
    Finish,
    RunEnded,
    Seq,
    Text,
    Thinking,
    ToolAnswered,
)

ANSWER_LIMIT_CHARS = 2 * 1024 * 1024
"""Of one answer, whatever its characters: JSON takes at most six bytes for one, and an entry has 16 MiB."""
PART_CHARS = 16
"""What a part of an answer counts beside its words."""


class StepInFlight:
    """Owned by the loop; read by whoever closes a run that did not end by itself."""

    def __init__(self, run: Seq, model: str) -> None:
        self.run, self.model = run, model
        self.step = self.attempt = 0
        self.sent_bytes = 0
        """The canonical bytes of the step's request."""
        self.asking = False
        """Whether an attempt is in no entry yet."""
        self.answers: dict[CallId, ToolAnswered] = {}
        """What a call without an answer is answered with if the run is stopped: what it really did, or that it never ran."""
        self.outputs: dict[CallId, str] = {}
        """Live output of calls that run, the end of it."""
        self._pieces: list[tuple[str, list[str]]] = []
        self._calls: dict[int, tuple[str, list[str]]] = {}
        self._room = ANSWER_LIMIT_CHARS
        self._thinking_since: float | None = None
        self._thought_seconds = 0.0

    def begin_step(self, step: int) -> None:
        self.step, self.attempt = step, 0
        self.answers.clear()
        self.outputs.clear()

    def begin_attempt(self) -> None:
        self.attempt += 1
        self.forget_text()
        self.asking = True

    def forget_text(self) -> None:
        """The streamed text is in an entry now, or was withdrawn, and what the attempt took told of."""
        self.asking = False
        self._pieces.clear()
        self._calls.clear()
        self._room = ANSWER_LIMIT_CHARS
        self._thinking_since, self._thought_seconds = None, 0.0

    def take(self, piece: TextPiece | ThinkingPiece | CallPiece, now_seconds: float) -> bool:
        """Add a streamed piece; False, and it is not added, where the answer would be longer than ANSWER_LIMIT_CHARS.

        Thinking time runs from the first thought to the next text or call.
        """
        self._room -= self._weight(piece)
        if self._room < 0:
            return False
        if isinstance(piece, ThinkingPiece):
            if self._thinking_since is None:
                self._thinking_since = now_seconds
        else:
            self._stop_thinking(now_seconds)
        match piece:
            case TextPiece(text=text):
                self._grow("text", text)
            case ThinkingPiece(text=text):
                self._grow("thinking", text)
            case CallPiece():
                name, args = self._calls.setdefault(piece.index, (piece.name, []))
                self._calls[piece.index] = (name or piece.name, args)
                args.append(piece.args)
        return True

    def printed(self, call: CallId, output: str) -> None:
        """Add to a call's live output."""
        self.outputs[call] = (self.outputs.get(call, "") + output)[-OUTPUT_LIMIT_CHARS:]

    def thinking_ms(self, now_seconds: float) -> int:
        self._stop_thinking(now_seconds)
        return round(self._thought_seconds * 1000)

    @property
    def spoken(self) -> bool:
        """Whether anything visible was streamed in this attempt."""
        return bool(self._pieces or self._calls)

    def partial(self, finish: Finish, now_seconds: float) -> AssistantSaid | None:
        """What came so far as an entry, its calls cut; None where nothing did."""
        thinking_ms = self.thinking_ms(now_seconds)
        kinds: dict[str, type[Text] | type[Thinking]] = {"text": Text, "thinking": Thinking}
        parts: list[AssistantPart] = [kinds[kind]("".join(chunks)) for kind, chunks in self._pieces]
        parts += [CallCut(name, "".join(args)) for name, args in self._calls.values()]
        if not parts:
            return None
        return AssistantSaid(self.run, self.step, self.attempt, self.model, tuple(parts), finish, thinking_ms)

    def _weight(self, piece: TextPiece | ThinkingPiece | CallPiece) -> int:
        if isinstance(piece, CallPiece):
            return len(piece.name) + len(piece.args) + (0 if piece.index in self._calls else PART_CHARS)
        kind = "text" if isinstance(piece, TextPiece) else "thinking"
        return len(piece.text) + (0 if self._pieces and self._pieces[-1][0] == kind else PART_CHARS)

    def _grow(self, kind: str, text: str) -> None:
        if self._pieces and self._pieces[-1][0] == kind:
            self._pieces[-1][1].append(text)
        else:
            self._pieces.append((kind, [text]))

    def _stop_thinking(self, now_seconds: float) -> None:
        if self._thinking_since is not None:
            self._thought_seconds += now_seconds - self._thinking_since
            self._thinking_since = None


def failed(flight: StepInFlight, steps: int, code: str, sentence: str) -> RunEnded:
    return RunEnded(flight.run, "failed", max(0, steps), code=code, message=sentence)
