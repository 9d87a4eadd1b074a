"""Names that hang hold up no others."""

import asyncio
import threading
from pathlib import Path

from oracle.config import build_chains
from oracle.daemon.threads import make_room

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


async def test_while_all_names_of_all_endpoints_hang_another_is_resolved(tmp_path: Path) -> None:
    at = dict.fromkeys(("registry", "signer_set", "hub"), ADDRESS)
    tables = [
        {
            "name": f"chain-{number}",
            "chain_id": number,
            "network": "anvil",
            "rpc_urls": [f"https://{each}.example" for each in range(8)],
            **at,
        }
        for number in range(1, 9)
    ]
    configs = build_chains({"chains": tables, "enclave": {"silicon": "s"}}, base=tmp_path)
    loop, answered = asyncio.get_running_loop(), threading.Event()
    make_room(loop, configs)
    hanging = [loop.run_in_executor(None, answered.wait) for _ in range(8 * 9)]
    try:
        async with asyncio.timeout(20):
            assert await loop.run_in_executor(None, lambda: 7) == 7
        assert not any(each.done() for each in hanging)
    finally:
        answered.set()
        for each in hanging:
            await each
