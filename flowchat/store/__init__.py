"""The user data dir: logs, blobs, locks and what is derived from them."""
