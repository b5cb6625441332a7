"""The card of models: what it lists, what a test call shows, and what is taken; keys are entered unseen."""

from asyncio import Event
from collections.abc import Sequence
from typing import Any

from textual import events
from textual.app import App

from flowchat.errors import StorageFailed, UsageError
from flowchat.model.local import LocalModel
from flowchat.model.offers import DEMO_SENTENCE, Offer, says
from flowchat.model.probe import Probed
from flowchat.ui.key_screen import KeyScreen
from flowchat.ui.keymap import DEFAULT
from flowchat.ui.listing import Listing
from flowchat.ui.model_rows import INSTALL
from flowchat.ui.model_screen import ModelScreen, Taken
from flowchat.ui.palette import DARK
from tests.ui.test_pickers import Pushed, chosen

QWEN = LocalModel("ollama_chat/qwen3:8b", "Ollama", "http://127.0.0.1:11434", 16_384, "server", True, 5_200_000_000, True)
LLAMA = LocalModel("ollama_chat/llama2", "Ollama", "http://127.0.0.1:11434", calls_tools=False)
KEY = Offer("key", "anthropic/claude-sonnet-4-5", "ANTHROPIC_API_KEY is set.")
DEMO = Offer("demo", "demo", DEMO_SENTENCE)
GOOD = Probed("ollama_chat/qwen3:8b", 16_384, "server", 812, True)


class Finder:
    """A machine: what answers on it, and what a call to a model there tells."""

    def __init__(self, *found: LocalModel, keys: Sequence[Offer] = (), probed: Probed = GOOD) -> None:
        self.found, self.keys, self.probed = found, tuple(keys), probed
        self.answers = Event()
        self.answers.set()
        self.looks = 0
        self.asked: list[tuple[str, str]] = []
        self.kept: dict[str, str] = {}

    async def look_around(self) -> tuple[LocalModel, ...]:
        self.looks += 1
        return self.found

    def offers(self, found: Sequence[LocalModel]) -> tuple[Offer, ...]:
        local = tuple(Offer("local", model.model, says(model), model.api_base) for model in found)
        own = tuple(Offer("key", f"{name}/best", f"A key for {name} is kept.") for name in self.kept)
        return *local, *self.keys, *own, DEMO

    async def probe(self, name: str, api_base: str = "") -> Probed:
        self.asked.append((name, api_base))
        await self.answers.wait()
        return self.probed

    async def keep_key(self, provider: str, key: str) -> str:
        if " " in key:
            raise UsageError(f"what was entered is not a key; no key was kept for {provider}")
        self.kept[provider] = key
        return "the system keyring"


def card(finder: Finder, copied: list[str] | None = None) -> Pushed:
    return Pushed(ModelScreen(DARK, DEFAULT, finder, (copied if copied is not None else []).append, "demo"))


def drawn(app: App[Any]) -> str:
    widgets = [widget for widget in app.screen.children if widget.display]
    return "\n".join(widget.render_line(y).text.rstrip() for widget in widgets for y in range(widget.size.height))


async def settled(app: App[Any], pilot: Any) -> None:
    await app.workers.wait_for_complete()
    await pilot.pause()


async def test_it_says_what_was_found_and_has_the_best_chosen() -> None:
    app = card(Finder(QWEN, LLAMA, keys=[KEY]))
    async with app.run_test(size=(110, 24)) as pilot:
        await settled(app, pilot)
        assert "Found: Ollama (2 models, 1 with tools), ANTHROPIC_API_KEY is set" in drawn(app)
        assert chosen(app) == "ollama_chat/qwen3:8b"
        assert "window 16,384 as the server says; calls tools." in drawn(app)
        names = [row.cells[0] for row in app.screen.query_one(Listing).rows]
        assert names == [
            "ollama_chat/qwen3:8b",
            "ollama_chat/llama2",
            "anthropic/claude-sonnet-4-5",
            "demo",
            "Enter an API key",
        ]


async def test_enter_tests_a_model_and_enter_takes_it_with_its_address() -> None:
    finder = Finder(QWEN)
    app = card(finder)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        finder.answers.clear()
        await pilot.press("enter")
        assert "is being tested" in drawn(app)
        await pilot.press("enter")
        assert app.given == []
        finder.answers.set()
        await settled(app, pilot)
        for words in ("812 ms", "16,384 tokens, as the server says", "it called the one it was given", "Enter keep it"):
            assert words in drawn(app)
        await pilot.press("enter")
    assert app.given == [Taken("ollama_chat/qwen3:8b", "http://127.0.0.1:11434")]
    assert finder.asked == [("ollama_chat/qwen3:8b", "http://127.0.0.1:11434")]


async def test_what_fails_is_told_in_a_sentence_and_can_be_tried_again_left_or_kept_all_the_same() -> None:
    finder = Finder(QWEN, probed=Probed("x", 1, "assumed", error="Ollama does not answer: start it with `ollama serve`"))
    app = card(finder)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        await pilot.press("enter")
        await settled(app, pilot)
        assert "cannot be used" in drawn(app)
        assert "start it with `ollama serve`" in drawn(app)
        await pilot.press("enter")
        await settled(app, pilot)
        assert len(finder.asked) == 2
        await pilot.press("escape")
        assert chosen(app) == "ollama_chat/qwen3:8b"
        assert app.given == []
        await pilot.press("enter", "ctrl+s")
    assert app.given == [Taken("ollama_chat/qwen3:8b", "http://127.0.0.1:11434")]


async def test_escape_ends_a_test_and_leaves_the_list_where_it_was() -> None:
    finder = Finder(QWEN, LLAMA)
    app = card(finder)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        finder.answers.clear()
        await pilot.press("down", "enter", "escape")
        await settled(app, pilot)
        assert chosen(app) == "ollama_chat/llama2"
        assert "tested" not in drawn(app)
        await pilot.press("escape")
    assert app.given == [None]


async def test_a_model_without_tools_is_told_so() -> None:
    app = card(Finder(LLAMA, probed=Probed("ollama_chat/llama2", 4_096, "assumed", 90)))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        await pilot.press("enter")
        await settled(app, pilot)
        assert "4,096 tokens, assumed" in drawn(app)
        assert "it did not call the one it was asked to call" in drawn(app)
        assert "Without tools it can talk, but not read, change or run anything here." in drawn(app)


async def test_letters_narrow_the_list_and_a_name_that_is_not_in_it_can_be_taken() -> None:
    finder = Finder(QWEN, LLAMA)
    app = card(finder)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        await pilot.press(*"llama2")
        assert chosen(app) == "ollama_chat/llama2"
        await pilot.press("ctrl+u", *"xai/grok-y")
        assert chosen(app) == "xai/grok-y"
        await pilot.press("enter")
        await settled(app, pilot)
    assert finder.asked == [("xai/grok-y", "")]


async def test_the_demo_is_taken_without_a_test() -> None:
    finder = Finder()
    app = card(finder)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        await pilot.press("enter")
    assert (app.given, finder.asked) == ([Taken("demo")], [])


async def test_where_nothing_was_found_lines_that_install_a_model_are_copied_with_y_and_it_is_looked_for_again() -> None:
    finder, copied = Finder(), list[str]()
    app = card(finder, copied)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        assert "No model server answers here and no key is set; the demo answers" in drawn(app)
        await pilot.press("down", "down", "y", "down", "enter")
        assert copied == [INSTALL[0][0], INSTALL[1][0]]
        finder.found = (QWEN,)
        await pilot.press("ctrl+r")
        await settled(app, pilot)
        assert "Ollama (1 model, 1 with tools)" in drawn(app)
        assert finder.looks == 2


async def test_what_is_found_later_does_not_move_the_choice_of_who_walked() -> None:
    finder = Finder()
    app = card(finder)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        await pilot.press("down")
        finder.found = (QWEN,)
        await pilot.press("ctrl+r")
        await settled(app, pilot)
        assert chosen(app) == "Enter an API key"


async def test_what_a_server_calls_its_models_is_one_clean_line() -> None:
    app = card(Finder(LocalModel("ollama_chat/a\x1b]0;x\x07\n\u202eb", "Ollama", "http://127.0.0.1:1")))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        assert not {"\x1b", "\x07", "\n", "\u202e"} & set(chosen(app))


async def test_where_no_server_says_whether_its_models_call_tools_nothing_is_counted() -> None:
    app = card(Finder(LocalModel("openai/walk", "the server at 127.0.0.1:9", "http://127.0.0.1:9/v1")))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        assert "Found: the server at 127.0.0.1:9 (1 model)" in drawn(app)
        assert "  The server at 127.0.0.1:9; window unknown; tool calls unknown." in drawn(app)


async def test_an_address_without_a_model_is_told_whole_and_asks_for_a_name() -> None:
    finder = Finder(keys=[Offer("key", "", "OPENAI_API_BASE is set; name a model with /model openai/NAME.")])
    app = card(finder)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        assert "  OPENAI_API_BASE is set; name a model with /model openai/NAME." in drawn(app)
        await pilot.press("down", "enter")
        assert "Type its name, PROVIDER/NAME, and press Enter." in drawn(app)
        await pilot.press(*"openai/y", "enter")
        await settled(app, pilot)
    assert finder.asked == [("openai/y", "")]


# --- keys ------------------------------------------------------------------------------------------------------------
async def test_a_key_is_entered_unseen_kept_and_its_model_is_then_chosen() -> None:
    finder = Finder()
    app = card(finder)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        await pilot.press("down", "enter", *"groq", "enter", *"sk-secret")
        assert isinstance(app.screen, KeyScreen)
        assert "secret" not in drawn(app)
        assert "9 characters" in drawn(app)
        app.screen.post_message(events.Paste("-pasted\n"))
        await pilot.pause()
        assert "16 characters" in drawn(app)
        assert "pasted" not in drawn(app)
        await pilot.press("enter")
        await settled(app, pilot)
        assert finder.kept == {"groq": "sk-secret-pasted"}
        assert chosen(app) == "groq/best"
        assert "The key for groq is kept in the system keyring." in drawn(app)


async def test_a_model_that_lacks_its_key_gets_one_and_is_tested_again() -> None:
    finder = Finder(keys=[KEY], probed=Probed("x", 1, "assumed", error="there is no key for anthropic"))
    app = card(finder)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot)
        await pilot.press("enter")
        await settled(app, pilot)
        assert "Alt+K enter a key" in drawn(app)
        finder.probed = GOOD
        await pilot.press("alt+k", *"sk-secret")
        assert "Key for anthropic" in drawn(app)
        await pilot.press("enter")
        await settled(app, pilot)
        assert "812 ms" in drawn(app)
        await pilot.press("enter")
    assert (app.given, finder.kept) == ([Taken("anthropic/claude-sonnet-4-5")], {"anthropic": "sk-secret"})


async def test_a_key_that_is_refused_is_told_without_it_and_escape_goes_back_without_keeping() -> None:
    finder = Finder()
    app = Pushed(KeyScreen(DARK, DEFAULT, finder.keep_key))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"openai", "enter", *"sk secret", "enter")
        await settled(app, pilot)
        assert "what was entered is not a key; no key was kept for openai" in drawn(app)
        assert "secret" not in drawn(app)
        await pilot.press("escape")
        assert chosen(app) == "openai"
        await pilot.press("escape")
    assert (app.given, finder.kept) == ([None], {})


async def test_a_keyring_that_waits_is_told_of_and_can_be_left() -> None:
    class Slow(Finder):
        async def keep_key(self, provider: str, key: str) -> str:
            await self.answers.wait()
            return await super().keep_key(provider, key)

    finder = Slow()
    finder.answers.clear()
    app = Pushed(KeyScreen(DARK, DEFAULT, finder.keep_key))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"openai", "enter", *"sk-1", "enter")
        assert "Keeping the key" in drawn(app)
        await pilot.press("escape")
        finder.answers.set()
        await settled(app, pilot)
        assert (app.given, finder.kept, chosen(app)) == ([], {}, "openai")
        await pilot.press("enter", *"sk-2", "enter")
    assert app.given == [("openai", "the system keyring")]


async def test_a_key_that_cannot_be_kept_stays_to_be_tried_again() -> None:
    class Full(Finder):
        async def keep_key(self, provider: str, key: str) -> str:
            raise StorageFailed("the disk is full; no key was kept")

    app = Pushed(KeyScreen(DARK, DEFAULT, Full().keep_key))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", *"sk-1", "enter")
        await settled(app, pilot)
        assert "the disk is full" in drawn(app)
        assert "4 characters" in drawn(app)
