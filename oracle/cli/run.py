"""`oracle run`: the daemon."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from oracle.cli.outcome import ConfigPath, ends_with_status
from oracle.config import Config, load_config
from oracle.feeds.catalogue import Feed
from oracle.feeds.configured import configured_feeds
from oracle.telemetry.logging import configure_logging

if TYPE_CHECKING:
    from oracle.daemon import Daemon


def run(config: ConfigPath = Path("oracle.toml")) -> None:
    """Run the node until SIGTERM or Ctrl-C.

    It starts the enclave, registers its signer, and submits reports when a feed moved by its
    deviation threshold or its heartbeat is near. What heals by itself is logged and retried; only
    faults that need the operator end it. Without a gas key it is a dry run: it logs what it would
    send. SIGHUP has it read the configuration again and take over its feeds.
    """
    with ends_with_status():
        settings, feeds = _load(config)
        configure_logging(sys.stderr, level=settings.log.level, style=settings.log.style)
        # Imported here: it brings eth_account, which a wrong configuration need not wait for.
        from oracle.daemon import Daemon

        daemon = Daemon(settings, feeds, load=lambda: _load(config))
        asyncio.run(_run(daemon))


def _load(path: Path) -> tuple[Config, tuple[Feed, ...]]:
    settings = load_config(path)
    return settings, configured_feeds(settings)


async def _run(daemon: "Daemon") -> None:
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, daemon.stop)
    loop.add_signal_handler(signal.SIGHUP, daemon.reload)
    await daemon.run()
