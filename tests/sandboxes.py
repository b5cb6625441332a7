"""Tests that need a sandbox say so here."""

import pytest

from flowchat.tools.sandbox import Confinement, Tier


async def need_a_sandbox(confinement: Confinement, *enough: Tier) -> None:
    """Where none of these tiers can be had that must be said, and what to do about it; then there is nothing more to try."""
    sandbox = await confinement.probe()
    if sandbox.tier in enough:
        return
    await confinement.close()
    assert sandbox.why
    assert sandbox.advice
    pytest.skip(f"the sandbox here is {sandbox.tier}: {sandbox.why}; {sandbox.advice}")
