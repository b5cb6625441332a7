"""The draft of the step in flight: what is streamed reaches the disk at most every 250 ms, so that kill -9 loses no more."""

DRAFT_SECONDS = 0.25
