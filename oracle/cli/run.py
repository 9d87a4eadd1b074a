"""`oracle run`: the daemon."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from oracle.cli.outcome import ConfigPath, ends_with_status
from oracle.config import Config, load_chains
from oracle.feeds.catalogue import Feed
from oracle.feeds.configured import node_feeds
from oracle.telemetry.logging import configure_logging

if TYPE_CHECKING:
    from oracle.daemon import Daemon

#: Longest time from the first signal to the end; systemd kills after 30 s.
STOP_S = 25


def run(config: ConfigPath = Path("oracle.toml")) -> None:
    """Run the node until SIGTERM or Ctrl-C.

    It starts the enclave, registers its signer, and submits reports when a feed moved by its
    deviation threshold or its heartbeat is near, on each chain of the configuration by itself. What
    heals by itself is logged and retried; only
    faults that need the operator end it. Without a gas key it is a dry run: it logs what it would
    send. SIGHUP has it read the configuration again and take over its feeds, SIGUSR1 replace its
    enclave while reports go on (`oracle rotate`). A second SIGTERM or Ctrl-C ends it at once.
    """
    with ends_with_status():
        settings, feeds = _load(config)
        log = settings[0].log
        configure_logging(sys.stderr, level=log.level, style=log.style)
        # Imported here: it brings eth_account, which a wrong configuration need not wait for.
        from oracle.daemon import Daemon

        daemon = Daemon(settings, feeds, load=lambda: _load(config))
        asyncio.run(run_until_signal(daemon))


def _load(path: Path) -> tuple[tuple[Config, ...], tuple[Feed, ...]]:
    settings = load_chains(path)
    return settings, node_feeds(settings)


async def run_until_signal(daemon: "Daemon") -> None:
    """Run a daemon with the signals of an operator.

    SIGTERM and SIGINT end it within `STOP_S`; a second one, or the end of that time, ends the
    process at once, and the kernel ends the enclave with it: the journal bears that. SIGHUP has it
    read its configuration again, SIGUSR1 replace its enclave.
    """
    loop = asyncio.get_running_loop()
    is_stopping = False

    def stop(name: signal.Signals) -> None:
        nonlocal is_stopping
        if is_stopping:
            signal.signal(name, signal.SIG_DFL)
            os.kill(os.getpid(), name)
        is_stopping = True
        # The kernel's own timer: it ends even a process that hangs.
        signal.alarm(STOP_S)
        daemon.stop()

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop, name)
    loop.add_signal_handler(signal.SIGHUP, daemon.reload)
    loop.add_signal_handler(signal.SIGUSR1, daemon.rotate)
    await daemon.run()
