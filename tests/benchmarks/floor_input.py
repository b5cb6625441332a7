"""The least a Textual program can be that echoes a key: one Input."""

from textual.app import App, ComposeResult
from textual.widgets import Input


class Floor(App[None]):
    def compose(self) -> ComposeResult:
        yield Input()


Floor().run()
