"""A node as a process, which says how many tasks it has, or leaks, when it is told to.

`python -m tests.integration.canary_node CONFIG RESOLVE` runs the daemon of a configuration file and
prints the port of its health. A line of JSON on its standard input, `[SECRET, [PORT]]`, has it leak
the secret in every way that the test looks at; it prints `leaked` then. `"tasks"` has it print how
many tasks it has.
"""

import asyncio
import json
import signal
import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from oracle.config import load_config
from oracle.daemon import Daemon, every_answer
from oracle.devnet.process import die_with_parent
from oracle.feeds.configured import configured_feeds
from oracle.telemetry.logging import configure_logging

log = structlog.get_logger(__name__)


async def _leak(daemon: Daemon, config: Any, secret: str, ports: list[int]) -> None:
    """In every way that is looked at."""
    log.debug("leaking", secret=secret)
    print(secret, flush=True)
    daemon.state.notices["leak"] = secret
    # What nothing overwrites.
    daemon.state.chains[0].endpoints[0].errors[secret] = 1
    (config.enclave.runtime_dir / "leak").write_text(secret)
    with sqlite3.connect(config.store.path, timeout=20) as journal:
        journal.execute(
            "INSERT INTO evidence (chain_id, registry, signer, ref_block, evidence, created_at)"
            " VALUES (0, '', '', 0, ?, 0)",
            (secret.encode(),),
        )
    for port in ports:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        body = secret.encode()
        head = f"POST /v2/x HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
    await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "import time; time.sleep(60)", secret),
        env={"LEAK": secret},
        preexec_fn=die_with_parent(),
    )


async def _obey(daemon: Daemon, config: Any) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    async for line in reader:
        order = json.loads(line)
        if order == "tasks":
            print(len(asyncio.all_tasks()), flush=True)
            continue
        secret, ports = order
        await _leak(daemon, config, secret, ports)
        print("leaked", flush=True)


async def _main(config_file: Path, resolve: Mapping[str, tuple[str, int]]) -> None:
    config = load_config(config_file)
    configure_logging(sys.stderr, level=config.log.level, style="json")
    daemon = Daemon([config], configured_feeds(config), resolve=resolve, schedule=every_answer)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, daemon.stop)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(daemon.run())
        while not daemon.http_port and not running.done():
            await asyncio.sleep(0.02)
        print(daemon.http_port, flush=True)
        obeying = tasks.create_task(_obey(daemon, config))
        await running
        obeying.cancel()


if __name__ == "__main__":
    found = {key: (host, port) for key, (host, port) in json.loads(sys.argv[2]).items()}
    asyncio.run(_main(Path(sys.argv[1]), found))
