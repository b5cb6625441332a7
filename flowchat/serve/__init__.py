"""The other ways in: one answer printed, sessions listed."""
