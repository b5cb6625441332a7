"""Thinking: one run from its first request to its end, without disk, screen or wire."""
