"""flowchat: a local-first terminal chat for developers."""

__version__ = "0.1.0"
