"""What two requests begin with in common, part by part, and how many tokens that is."""

from collections.abc import Collection
from typing import NamedTuple

import msgspec

from flowchat.agent.prompt import Sight
from flowchat.agent.requests import Sent

key = msgspec.json.Encoder().encode
"""What stands for a message where messages are looked for among others."""


class Match(NamedTuple):
    """A request held against one before it, if there is one.

    `same`: the messages both begin with; -1 where not even the prompt is the same.
    """

    before: Sent | None
    now: Sent
    same: int

    @property
    def is_other_model(self) -> bool:
        return self.before is not None and self.before.used.model != self.now.used.model

    @property
    def is_whole(self) -> bool:
        """Whether all of the one stands at the beginning of the other."""
        return self.before is not None and self.same in (len(self.before.ends) - 1, len(self.now.ends) - 1)

    def tokens_upto(self, part: int) -> int:
        """The tokens up to the end of a part of this request: of what both begin with, as the one before was counted."""
        if part == len(self.now.ends) - 1 and self.now.input:
            return self.now.input
        base = begin = 0
        if self.before is not None and self.before.input and self.same >= 0 and not self.is_other_model:
            base = self.before.tokens_upto(min(part, self.same))
            base = min(base, self.now.input) if self.now.input else base
            if part <= self.same:
                return base
            begin = self.now.ends[self.same]
        return base + round((self.now.input - base) * (self.now.ends[part] - begin) / max(1, self.now.ends[-1] - begin))

    def behind(self) -> Collection[bytes]:
        """The keys of the messages of the one before that stand behind what both begin with."""
        messages = () if self.before is None else self.before.sight.messages
        return {key(message) for message in messages[max(0, self.same) :]}

    def tokens_again(self) -> int:
        """The tokens of all messages of this request that were in the one before, wherever in it."""
        was, first = self.behind(), max(0, self.same)
        total = self.tokens_upto(first) if self.same >= 0 else 0
        for part, message in enumerate(self.now.sight.messages[first:], first + 1):
            if key(message) in was:
                total += self.tokens_upto(part) - self.tokens_upto(part - 1)
        return total


class Prefixes:
    """The last request that each model accepted."""

    def __init__(self) -> None:
        self._last: Sent | None = None
        self._by_model: dict[str, Sent] = {}

    def match(self, request: Sent) -> Match:
        """A request held against the last that its model accepted, or any model if this one has none yet.

        If it was accepted it is from now on the one before.
        """
        used, before = request.used, self._by_model.get(request.used.model, self._last)
        same = -1 if before is None else _in_common(before.sight, request.sight)
        if used.error is None or used.usage is not None:
            self._last = self._by_model[used.model] = request
        return Match(before, request, same)


def _in_common(old: Sight, new: Sight) -> int:
    if old.system != new.system or old.tools != new.tools:
        return -1
    count = min(len(old.messages), len(new.messages))
    if new.messages[:count] == old.messages[:count]:  # as a rule; they are the same objects then, and that takes no time
        return count
    return next(index for index in range(count) if old.messages[index] != new.messages[index])
