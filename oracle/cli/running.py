"""Telling a running node to do something, and waiting until it has."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from typing import Any

from enclave.domain.errors import ChainError
from oracle.daemon.presence import Presence

#: How long the node may take; an enclave that is started anew in between takes longest.
_WAIT_S = 90.0
_POLL_S = 0.1

View = Mapping[str, Any]


class NotTaken(ChainError):
    """The running node has not done what it was told."""


def signal_daemon(daemon: Presence, name: signal.Signals) -> None:
    """Send a signal.

    Raises:
        NotTaken: It is gone, another user's, or in another container.
    """
    try:
        os.kill(daemon.process_id, name)
    except OSError as error:
        raise NotTaken(
            f"the node cannot be told ({error.strerror}): is it another user's, or in another"
            " container?"
        ) from error


async def tell(
    daemon: Presence, name: signal.Signals, is_done: Callable[[View, View], bool]
) -> View:
    """Send a signal and wait for what it leads to.

    Args:
        daemon: The node.
        name: What it is told.
        is_done: Compares what `/ready` answered before with what it answers now; may raise.

    Returns:
        What `/ready` answers then.

    Raises:
        NotTaken: It cannot be asked or told, or does not do it in time.
    """
    import aiohttp

    limit = aiohttp.ClientTimeout(total=5)
    url = f"{daemon.health}/ready"
    try:
        async with aiohttp.ClientSession(timeout=limit) as session, asyncio.timeout(_WAIT_S):
            before = await _view(session, url)
            signal_daemon(daemon, name)
            while True:
                view = await _view(session, url)
                if is_done(before, view):
                    return view
                await asyncio.sleep(_POLL_S)
    except TimeoutError as error:
        raise NotTaken(f"the node has not done it within {_WAIT_S:g} s") from error
    except (aiohttp.ClientError, ValueError, KeyError) as error:
        raise NotTaken(f"the node does not answer on {daemon.health}: {error}") from error


async def _view(session: Any, url: str) -> View:
    async with session.get(url) as response:
        return dict(await response.json())
