"""The certificates that registered evidence lacks, from the events of who verified them."""

from collections.abc import Mapping
from typing import Any

from oracle.chain.abi_codec import load_abi
from oracle.chain.parsing import parse_log
from oracle.chain.reading import Requests, read_logs


async def read_machine_certificates(
    rpc: Requests, verifier: str, hardware_id: bytes, *, to_block: int, from_block: int = 0
) -> list[tuple[bytes, bytes]]:
    """Every certificate of a machine that the verifier took, the newest first, and its CA's id.

    Args:
        rpc: Endpoints.
        verifier: Address of the `DcapVerifier`.
        hardware_id: What it knows the machine by, 32 bytes.
        to_block: Last height.
        from_block: First height.

    Raises:
        ChainError: No endpoint answers, or with something else than these events.
    """
    wanted = _filter(verifier, "DcapVerifier", "PckCached", None, None, hardware_id)
    found = await _read(rpc, "DcapVerifier", wanted, from_block, to_block)
    return [(each["certificate"], each["caId"]) for each in reversed(found)]


async def read_authority(
    rpc: Requests, collateral: str, authority_id: bytes, *, to_block: int, from_block: int = 0
) -> bytes | None:
    """A certificate of the root that the collateral took, DER; `None` if it did not.

    Args:
        rpc: Endpoints.
        collateral: Address of the `IntelCollateral`.
        authority_id: Its id, 32 bytes.
        to_block: Last height.
        from_block: First height.

    Raises:
        ChainError: As `read_machine_certificates`.
    """
    wanted = _filter(collateral, "IntelCollateral", "AuthorityCached", authority_id)
    found = await _read(rpc, "IntelCollateral", wanted, from_block, to_block)
    return found[-1]["certificate"] if found else None


def _filter(address: str, contract: str, event: str, *indexed: bytes | None) -> Mapping[str, Any]:
    events = load_abi(contract).events
    topic = next(topic for topic, item in events.items() if item.name == event)
    values = [None if each is None else "0x" + each.hex() for each in (topic, *indexed)]
    return {"address": address, "topics": values}


async def _read(
    rpc: Requests, contract: str, wanted: Mapping[str, Any], from_block: int, to_block: int
) -> list[dict[str, Any]]:
    abi = load_abi(contract)
    found = []
    async for _, logs in read_logs(rpc, wanted, from_block, to_block):
        parsed = [parse_log(raw) for raw in logs]
        found += [abi.decode_event(log.topics, log.data)[1] for log in parsed]
    return found
