"""The clock beside a stream: what it ends and what it leaves alone."""

import asyncio

import pytest

from flowchat.model.watch import Expired, Watch


async def test_a_wait_longer_than_the_silence_ends() -> None:
    watch = Watch(0.01, 60)
    with pytest.raises(Expired), watch:
        await asyncio.Event().wait()
    assert asyncio.current_task().cancelling() == 0


async def test_the_total_ends_a_wait_that_is_not_silent_for_long() -> None:
    watch = Watch(60, 0.01)
    with watch:
        await asyncio.sleep(0)
    with pytest.raises(Expired), watch:
        await asyncio.Event().wait()


async def test_a_wait_that_is_hurried_ends_sooner() -> None:
    watch = Watch(60, 60)
    with watch:
        await asyncio.sleep(0)
    watch.hurry(0.01)
    with pytest.raises(Expired), watch:
        await asyncio.Event().wait()


async def test_time_between_two_waits_does_not_count() -> None:
    watch = Watch(0.01, 60)
    for _ in range(3):
        with watch:
            await asyncio.sleep(0)
        passed = asyncio.Event()
        asyncio.get_running_loop().call_later(0.03, passed.set)
        await passed.wait()
    watch.close()
    assert not watch.expired


async def test_somebody_elses_cancel_stays_a_cancel() -> None:
    waiting = asyncio.Event()

    async def wait() -> None:
        with Watch(60, 60):
            waiting.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(wait())
    await waiting.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_cancel_that_comes_with_the_end_of_the_wait_is_not_lost() -> None:
    async def wait() -> None:
        watch = Watch(0.01, 60)
        with watch:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                asyncio.current_task().cancel()
                raise

    task = asyncio.ensure_future(wait())
    await asyncio.wait([task])
    assert task.cancelled()
