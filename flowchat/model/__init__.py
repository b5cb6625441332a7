"""The wire: one protocol; litellm, the demo and the script implement it."""
