"""What the card of models lists: what was found, a name as typed, the way to enter a key, lines that install a model. Pure."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from flowchat.model.discover import DEMO
from flowchat.model.local import LocalModel
from flowchat.model.offers import Offer
from flowchat.model.probe import Probed
from flowchat.ui.figures import many
from flowchat.ui.listing import Row
from flowchat.ui.palette import Palette
from flowchat.ui.prose import one_line, wrapped
from flowchat.ui.strips import Piece

INSTALL: tuple[tuple[str, str], ...] = (
    ("curl -fsSL https://ollama.com/install.sh | sh", "Installs Ollama on Linux, which serves models on this machine."),
    ("brew install ollama && brew services start ollama", "Installs Ollama on macOS and starts it."),
    ("ollama pull qwen3:8b", "Gets a model of 5.2 GB that calls tools, once Ollama is there."),
    (
        "llama-server --jinja -hf bartowski/Qwen2.5-7B-Instruct-GGUF:Q4_K_M",
        "Gets a model of 4.7 GB that calls tools and serves it with llama.cpp.",
    ),
)
"""Ways to a model on one's own machine, as their makers document them."""
_WINDOWS = {"config": "from your settings", "server": "as the server says", "table": "from litellm's table"}
_LABEL_CELLS = 14


class Entry(Struct, frozen=True):
    """One line. `name` is a model's or a command to copy, `told` all there is to say of it; both Clean and one line each."""

    kind: Literal["model", "name", "key", "install"]
    name: str
    told: str = ""
    model: str = ""
    api_base: str = ""

    @property
    def whole(self) -> str:
        """All of it, where the list may have no room: a command to copy in full."""
        return f"{self.name}   {self.told}" if self.kind == "install" else self.told

    @property
    def is_demo(self) -> bool:
        return self.model == DEMO


def entries(offers: Sequence[Offer], in_use: str) -> list[Entry]:
    """All there is to choose, the best first; ways to get a model where nothing but the demo was found."""
    found = [
        Entry(
            "model",
            one_line(offer.model),
            one_line(f"{'In use. ' if offer.model == in_use else ''}{_sentence(offer.sentence)} {offer.advice}"),
            offer.model,
            offer.api_base,
        )
        for offer in offers
        if offer.model
    ]
    unnamed = [Entry("name", "Name a model", one_line(offer.sentence)) for offer in offers if not offer.model]
    found += [*unnamed, Entry("key", "Enter an API key", "It is kept in the system keyring, or in a file only you can read.")]
    if all(entry.is_demo for entry in found if entry.kind == "model"):
        found += [Entry("install", *pair) for pair in INSTALL]
    return found


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def narrowed(found: Sequence[Entry], sought: str) -> list[Entry]:
    """Those that have every word of what is sought; a word alone can also be the name of a model, as it is typed."""
    words = sought.lower().split()
    kept = [entry for entry in found if all(word in f"{entry.name} {entry.told}".lower() for word in words)]
    if len(words) == 1 and all(entry.model != sought.strip() for entry in kept):
        name = sought.strip()
        kept.append(Entry("model", one_line(name), "The name as typed; any litellm model, PROVIDER/NAME.", name))
    return kept


def rows(found: Sequence[Entry]) -> list[Row]:
    return [Row(entry, (entry.name, entry.told)) for entry in found]


def summary(found: Sequence[LocalModel] | None, offers: Sequence[Offer]) -> str:
    """What was found, in a line; `found` None: it is still being looked for."""
    if found is None:
        return "Looking for model servers on this machine"
    parts: list[str] = []
    for server in dict.fromkeys(model.server for model in found):
        own = [model for model in found if model.server == server]
        able = sum(model.calls_tools is True for model in own)
        tools = "" if all(model.calls_tools is None for model in own) else f", {able} with tools"
        parts.append(f"{server} ({many(len(own), 'model')}{tools})")
    parts += [offer.sentence.partition(",")[0].rstrip(".") for offer in offers if offer.kind == "key" and offer.model]
    if not parts and (unnamed := next((offer for offer in offers if not offer.model), None)) is not None:
        return one_line(unnamed.sentence)
    if not parts:
        return "No model server answers here and no key is set; the demo answers"
    return one_line(f"Found: {', '.join(parts)}")


def tested_lines(entry: Entry, probed: Probed | None, palette: Palette, width: int) -> list[list[Piece]]:
    """What the test call told; None: it is under way."""
    head: list[Piece] = [("  ", palette.text), (entry.name, palette.accent)]
    if probed is None:
        texts = wrapped(
            "One small call to see whether it answers. The first loads what it needs, which takes a moment.", width - 4
        )
        return [[*head, (" is being tested", palette.text)], [], *([("  ", palette.text), (text, palette.dim)] for text in texts)]
    if probed.error:
        texts = wrapped(one_line(probed.error), width - 4)
        return [
            [*head, (" cannot be used", palette.bad)],
            [],
            *([("  ", palette.text), (text, palette.text)] for text in texts),
        ]
    tools = "it called the one it was given" if probed.called_tool else "it did not call the one it was asked to call"
    facts = [
        ("first token", f"{probed.latency_ms:,} ms" if probed.latency_ms is not None else "none", palette.text),
        ("window", f"{probed.window:,} tokens, {_WINDOWS.get(probed.window_source, probed.window_source)}", palette.text),
        ("tools", tools, palette.text if probed.called_tool else palette.warn),
    ]
    lines: list[list[Piece]] = [[*head, (" answers", palette.text)], []]
    for label, text, style in facts:
        first, *rest = wrapped(text, max(8, width - _LABEL_CELLS - 4))
        lines.append([("  ", palette.text), (label.ljust(_LABEL_CELLS), palette.dim), (first, style)])
        lines += [[(" " * (_LABEL_CELLS + 2), palette.text), (part, style)] for part in rest]
    if not probed.called_tool:
        said = "Without tools it can talk, but not read, change or run anything here."
        lines += [[], *([("  ", palette.text), (part, palette.dim)] for part in wrapped(said, width - 4))]
    return lines
