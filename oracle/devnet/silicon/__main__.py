"""Run the emulated vendor as a process: `python -m oracle.devnet.silicon --listen PATH`.

The first line on standard output is JSON: `{"event": "listening", ...}` with the URL of its
collateral service (`pcs`) and the constants that the contracts are built with. It ends on SIGTERM
or SIGINT and takes its keys with it.
"""

import argparse
import asyncio
import dataclasses
import json
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from oracle.devnet.silicon.control import FORMS
from oracle.devnet.silicon.lifecycle import Lifecycle
from oracle.devnet.silicon.pcs import serve_pcs
from oracle.devnet.silicon.service import serve_silicon
from oracle.devnet.silicon.vendor import SiliconVendor, VendorConstants

#: The vendor is older than any chain here, which may begin in the past.
_AGE = timedelta(days=30)
_EPILOG = """\
The collateral service has the vendor's paths, such as /tdx/certification/v4/tcb?fmspc=..., on
127.0.0.1. What is to happen to the vendor (a revocation, a TCB recovery, an update of the machine,
another clock) is asked for over the socket; see oracle/devnet/silicon/control.py.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal; 0 then."""
    parser = argparse.ArgumentParser(
        prog="python -m oracle.devnet.silicon",
        description="Emulated silicon vendor. Its quotes prove nothing about any machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--listen", type=Path, required=True, help="path of the socket to make")
    parser.add_argument(
        "--pcs-port",
        type=int,
        default=0,
        metavar="PORT",
        help="port of the collateral service on 127.0.0.1; default: a free one",
    )
    parser.add_argument(
        "--form",
        action="append",
        default=[],
        choices=FORMS,
        help="form of the quotes of its TEE, once for each TEE; default: the oldest",
    )
    arguments = parser.parse_args(argv)
    vendor = SiliconVendor(now=datetime.now(UTC) - _AGE)
    for form in arguments.form:
        vendor.choose_form(FORMS[form])
    return asyncio.run(_serve(vendor, arguments.listen, arguments.pcs_port))


async def _serve(vendor: SiliconVendor, path: Path, pcs_port: int) -> int:
    lifecycle = Lifecycle(vendor, lambda: datetime.now(UTC))
    listening, stop = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serve_pcs(lifecycle, pcs_port) as url, asyncio.TaskGroup() as tasks:
        service = tasks.create_task(serve_silicon(lifecycle, path, listening=listening))
        await listening.wait()
        line = {"event": "listening", "path": str(path), "pcs": url} | _printable(vendor.constants)
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        await stop.wait()
        service.cancel()
    return 0


def _printable(constants: VendorConstants) -> dict[str, str]:
    return {name: f"0x{value.hex()}" for name, value in dataclasses.asdict(constants).items()}


if __name__ == "__main__":
    sys.exit(main())
