"""The screen. The only room that imports textual and rich; `colours` and `keys` come first: textual reads what they set."""

from flowchat.ui import colours as colours
from flowchat.ui import keys as keys
