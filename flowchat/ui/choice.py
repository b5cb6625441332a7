"""The block the reader has chosen, and walking from block to block."""

from collections.abc import Iterable

from flowchat.ui.blocks import Answer, Block, Look, Said
from flowchat.ui.passages import Passage
from flowchat.ui.story import Story
from flowchat.ui.viewport import Place


class Choice:
    """One block of a story, or none; it stays chosen while others come and go."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._passage: Passage | None = None
        self._number = 0

    @property
    def passage(self) -> Passage | None:
        """Where it is; None also where that has gone or is folded."""
        return self._passage if self._passage is not None and self._story.shows(self._passage) else None

    @property
    def block(self) -> Block | None:
        """The chosen block; None also where it has gone or is folded."""
        blocks = self._passage.blocks if self._passage is not None and self.passage is not None else []
        return blocks[self._number] if self._number < len(blocks) else None

    @property
    def taken(self) -> tuple[Passage, int] | None:
        """The chosen block by its number, perhaps gone."""
        return None if self._passage is None else (self._passage, self._number)

    def take(self, passage: Passage, number: int) -> None:
        self._passage, self._number = passage, number

    def take_last_of(self, places: Iterable[Place | None], look: Look) -> None:
        """Choose the lowest block of those rows."""
        for place in reversed([place for place in places if place is not None]):
            if found := self._story.block_at(place, look):
                self.take(*found)
                return

    def is_at(self, place: Place, look: Look) -> bool:
        """Whether a row belongs to the chosen block."""
        if self._passage is None or self._story.passages[place[0]] is not self._passage:
            return False
        return self._story.block_at(place, look) == (self._passage, self._number)

    def walk(self, step: int, user_only: bool = False) -> bool:
        """Choose the next block up (-1) or down (1), or the next message of the user; False where there is none."""
        if self._passage is None or self.passage is None:
            return False
        if not user_only and 0 <= self._number + step < len(self._passage.blocks):
            self._number += step
            return True
        passages = self._story.passages
        index = passages.index(self._passage) + step
        while self._story.first <= index < len(passages):
            if (passages[index].is_user or not user_only) and (blocks := passages[index].blocks):
                self.take(passages[index], 0 if step > 0 else len(blocks) - 1)
                return True
            index += step
        return False

    def walk_to_error(self, step: int) -> bool:
        """Choose the next block up (-1) or down (1) that tells of an error; False where there is none."""
        if self._passage is None or self.passage is None:
            return False
        passages, number = self._story.passages, self._number + step
        index = passages.index(self._passage)
        while self._story.first <= index < len(passages):
            passage, was_built = passages[index], passages[index].is_built
            blocks = passage.blocks
            for at in range(number, len(blocks) if step > 0 else -1, step):
                if blocks[at].failed:
                    self.take(passage, at)
                    return True
            if not was_built:
                passage.forget()
            index += step
            number = 0 if step > 0 else len(passages[index].blocks) - 1 if index >= self._story.first else 0
        return False

    def walk_to_code(self) -> Block | None:
        """Stay where there is code, else choose the nearest block above that has some; gives it, None: there is none."""
        from flowchat.ui.copying import code_in

        if self._passage is None or self.passage is None:
            return None
        passages = self._story.passages
        number = self._number
        for index in range(passages.index(self._passage), self._story.first - 1, -1):
            was_built, blocks = passages[index].is_built, passages[index].blocks
            for at in range(min(number, len(blocks) - 1), -1, -1):
                if isinstance(blocks[at], Said | Answer) and code_in(blocks[at].source):
                    self.take(passages[index], at)
                    return blocks[at]
            if not was_built:
                passages[index].forget()
            number = len(passages[index - 1].blocks) - 1 if index > self._story.first else 0
        return None

    def extent(self, look: Look) -> tuple[Place, int]:
        """Where the chosen block begins, and how many rows it has."""
        assert self._passage is not None
        return self._story.extent(self._passage, self._number, look)
