"""The words: entries, events, the tree and text made safe to show."""
