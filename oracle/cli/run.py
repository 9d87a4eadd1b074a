"""`oracle run`: the daemon."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from oracle.cli.outcome import ConfigPath, ends_with_status
from oracle.config import load_config
from oracle.feeds.configured import configured_feeds
from oracle.telemetry.logging import configure_logging


def run(config: ConfigPath = Path("oracle.toml")) -> None:
    """Run the node until SIGTERM or Ctrl-C.

    It starts the enclave, registers its signer, and submits reports when a feed moved by its
    deviation threshold or its heartbeat is near. What heals by itself is logged and retried; only
    faults that need the operator end it. Without a gas key it is a dry run: it logs what it would
    send.
    """
    with ends_with_status():
        settings = load_config(config)
        configure_logging(sys.stderr, level=settings.log.level, style=settings.log.style)
        # Imported here: it brings eth_account, which a wrong configuration need not wait for.
        from oracle.daemon import Daemon

        daemon = Daemon(settings, configured_feeds(settings))
        asyncio.run(_until_signal(daemon.run, daemon.stop))


async def _until_signal(
    work: Callable[[], Coroutine[Any, Any, None]], stop: Callable[[], None]
) -> None:
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
    await work()
