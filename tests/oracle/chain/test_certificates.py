"""Certificates from the events of the verifier and of the collateral."""

from typing import Any

from eth_abi.abi import encode

from oracle.chain.abi_codec import load_abi
from oracle.chain.certificates import read_authority, read_machine_certificates

AT = "0x" + "cc" * 20
HARDWARE, CA, PCK = (bytes((number,)) * 32 for number in (1, 2, 3))


class FakeLogs:
    """Plays `Requests`: gives events whose topics are as asked for."""

    def __init__(self) -> None:
        self.logs: list[dict[str, Any]] = []
        self.spans: list[tuple[str, str]] = []

    def add(self, contract: str, event: str, indexed: list[bytes], data: bytes) -> None:
        events = load_abi(contract).events
        topic = next(topic for topic, item in events.items() if item.name == event)
        topics = ["0x" + each.hex() for each in (topic, *indexed)]
        self.logs.append({"address": AT, "topics": topics, "data": "0x" + data.hex()})

    async def request(self, method: str, params: Any) -> Any:
        assert method == "eth_getLogs"
        wanted = params[0]
        assert wanted["address"] == AT
        self.spans.append((wanted["fromBlock"], wanted["toBlock"]))
        return [log for log in self.logs if _fits(log["topics"], wanted["topics"])]


def _fits(seen: list[str], wanted: list[str | None]) -> bool:
    pairs = zip(seen, wanted, strict=False)
    return all(other is None or one == other for one, other in pairs)


def _cached(logs: FakeLogs, hardware: bytes, certificate: bytes) -> None:
    data = encode(["uint40", "bytes"], [9, certificate])
    logs.add("DcapVerifier", "PckCached", [PCK, CA, hardware], data)


async def test_a_machines_certificates_come_the_newest_first() -> None:
    logs = FakeLogs()
    for hardware, certificate in ((HARDWARE, b"old"), (bytes(32), b"other"), (HARDWARE, b"new")):
        _cached(logs, hardware, certificate)
    found = await read_machine_certificates(logs, AT, HARDWARE, from_block=3, to_block=7)
    assert found == [(b"new", CA), (b"old", CA)]
    assert logs.spans == [("0x3", "0x7")]


async def test_an_authority_is_found_by_its_id_or_not_at_all() -> None:
    logs = FakeLogs()
    data = encode(["bool", "uint40", "uint16", "bytes"], [True, 9, 1, b"ca"])
    logs.add("IntelCollateral", "AuthorityCached", [CA], data)
    assert await read_authority(logs, AT, CA, to_block=7) == b"ca"
    assert await read_authority(logs, AT, PCK, to_block=7) is None
