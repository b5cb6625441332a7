"""The screen. The only room that imports textual and rich; `keys` comes first, it sets what textual reads when imported."""

from flowchat.ui import keys as keys
