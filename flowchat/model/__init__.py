"""The wire: one protocol, litellm behind it, a demo and a script beside it."""
