"""What a session's log opens with: held in memory until the first message, because nothing is on disk before that."""

from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from flowchat.agent.prompt import prompt_of
from flowchat.agent.tokens import MESSAGE_TOKENS, fixed_tokens, text_tokens
from flowchat.runtime.activity import Start
from flowchat.runtime.titles import first_words
from flowchat.transcript.entries import (
    ContextAdded,
    Entry,
    Mode,
    Noticed,
    PromptSet,
    SessionStarted,
    TitleSet,
    ToolSchema,
    Trigger,
    UserSaid,
    text_of,
)
from flowchat.transcript.transcript import Transcript


def weight_of(added: ContextAdded) -> int:
    """Tokens by estimate of what is added to a request."""
    return MESSAGE_TOKENS + text_tokens(text_of(added.parts))


class Beginning(Struct):
    """A session before its first message, and what its prompt would be today."""

    sid: str
    workspace: Path
    app_version: str
    model: str
    mode: Mode
    system: str
    tools: Callable[[], tuple[ToolSchema, ...]]
    title: str = ""
    notices: tuple[Noticed, ...] = ()
    instructions: tuple[ContextAdded, ...] = ()
    """What the first run will read of instruction files, as they are now."""
    _prompt_checked: bool = False

    @property
    def tokens(self) -> int:
        """What system prompt, tools and instructions weigh, by estimate: what would be sent beside the first message."""
        return fixed_tokens(self.system, self.tools()) + sum(map(weight_of, self.instructions))

    def start(
        self, transcript: Transcript, before: Callable[[], Sequence[Entry]], trigger: Trigger, said: UserSaid | None
    ) -> Start:
        """A run that begins with `before`, in a new session with what opens its log in front, in a changed one with the news."""

        def entries() -> list[Entry]:
            first = self.entries(text_of(said.parts)) if said is not None and not transcript.head else []
            return [*first, *before()]

        return Start(entries, trigger, lambda: self.prompt_news(transcript), said)

    def entries(self, words: str) -> list[Entry]:
        """The first entries of the log, in the same write as the first `words` of the user."""
        self._prompt_checked = True
        started = SessionStarted(
            self.sid, str(self.workspace), self.app_version, self.model, self.mode, self.system, self.tools()
        )  # fmt: skip
        title = TitleSet(self.title, "user") if self.title else TitleSet(first_words(words), "first_words")
        return [started, title, *self.notices]

    def prompt_news(self, transcript: Transcript) -> list[Entry]:
        """At the first run after opening: one prompt_set where our tools are no longer those the branch was told of."""
        if self._prompt_checked or not transcript.head:
            return []
        self._prompt_checked = True
        if prompt_of(transcript.branch(), transcript.facts)[1] == self.tools():
            return []
        notice = "The tools have changed since this session was last used; the model is sent the new list."
        return [PromptSet(self.system, self.tools(), "upgrade"), Noticed("info", "upgrade", notice)]
