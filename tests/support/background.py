"""Waiting for what goes on in the background, however busy the machine is."""

from __future__ import annotations

import asyncio


async def settled() -> None:
    """Wait until every other task of this event loop is done; 30 seconds are a hang."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        _, pending = await asyncio.wait(others, timeout=30)
        assert not pending, f"still running after 30 s: {pending}"
