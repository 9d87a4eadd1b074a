"""Run the emulated vendor as a process: `python -m oracle.devnet.silicon --listen PATH`.

The first line on standard output is JSON: `{"event": "listening", ...}` with the constants that
`DcapVerifier` is built with. It ends on SIGTERM or SIGINT and takes its keys with it.
"""

import argparse
import asyncio
import dataclasses
import json
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from oracle.devnet.silicon.service import serve_silicon
from oracle.devnet.silicon.vendor import SiliconVendor, VendorConstants


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal; 0 then."""
    parser = argparse.ArgumentParser(
        prog="python -m oracle.devnet.silicon",
        description="Emulated silicon vendor. Its quotes prove nothing about any machine.",
    )
    parser.add_argument("--listen", type=Path, required=True, help="path of the socket to make")
    arguments = parser.parse_args(argv)
    return asyncio.run(_serve(arguments.listen))


async def _serve(path: Path) -> int:
    vendor = SiliconVendor(now=datetime.now(UTC))
    listening, stop = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as tasks:
        service = tasks.create_task(serve_silicon(vendor, path, listening=listening))
        await listening.wait()
        line = {"event": "listening", "path": str(path)} | _printable(vendor.constants)
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        await stop.wait()
        service.cancel()
    return 0


def _printable(constants: VendorConstants) -> dict[str, str | int]:
    fields = dataclasses.asdict(constants)
    # Coordinates are wider than a JSON number.
    wide = {name: f"{fields[name]:#066x}" for name in ("root_x", "root_y")}
    octets = {
        name: f"0x{value.hex()}" for name, value in fields.items() if isinstance(value, bytes)
    }
    return fields | wide | octets


if __name__ == "__main__":
    sys.exit(main())
