"""Threads of the event loop, in which names are resolved."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from oracle.config import Config

#: For the hosts of sources, and what else does not want to wait for names.
_OTHERS: Final = 32


def make_room(loop: asyncio.AbstractEventLoop, configs: Sequence[Config]) -> None:
    """Give the loop so many threads that every endpoint's name may hang at once, and none waits.

    The system's resolver takes a thread for as long as a name server does not answer, and asyncio
    has a few by default: with the names of one chain hanging, sources could not be found either.
    A thread is made only when all others are busy.

    Args:
        loop: What runs in its former threads ends there.
        configs: One for each chain.
    """
    names = sum(len(each.chain.rpc_urls) + 1 for each in configs)
    loop.set_default_executor(ThreadPoolExecutor(names + _OTHERS, thread_name_prefix="node"))
