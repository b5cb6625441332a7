"""The machine: every program started and every user's file touched."""
