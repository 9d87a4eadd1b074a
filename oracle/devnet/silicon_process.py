"""The emulated silicon vendor as a process of its own."""

import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from oracle.devnet.process import child
from oracle.devnet.silicon.vendor import VendorConstants

_START_S = 10.0


@contextlib.asynccontextmanager
async def silicon(path: Path) -> AsyncIterator[VendorConstants]:
    """Run a vendor with fresh keys for the length of the block.

    Args:
        path: Where its socket is made.

    Raises:
        ConfigError: It does not start.
    """
    command = [sys.executable, "-m", "oracle.devnet.silicon", "--listen", str(path)]
    async with child(command, name="emulated silicon") as process:
        yield _constants(json.loads(await process.line(within_s=_START_S)))


def _constants(line: dict[str, Any]) -> VendorConstants:
    return VendorConstants(
        root_x=int(line["root_x"], 16),
        root_y=int(line["root_y"], 16),
        root_name_hash=bytes.fromhex(line["root_name_hash"][2:]),
        root_not_after=int(line["root_not_after"]),
        qe_mrsigner=bytes.fromhex(line["qe_mrsigner"][2:]),
        sgx_qe_product=int(line["sgx_qe_product"]),
        tdx_qe_product=int(line["tdx_qe_product"]),
    )
