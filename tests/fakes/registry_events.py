"""An endpoint that holds events of the registry, with a bound on what it gives at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_abi.abi import encode

from enclave.domain.report import keccak256
from oracle.chain.abi_codec import load_abi
from oracle.chain.rpc import RpcRefused
from oracle.config import checksum_address

REGISTRY = checksum_address("0x" + "a1" * 20)
OPERATOR = checksum_address("0x" + "0b" * 20)
IMAGE = b"\x05" * 32


def registered(
    signer: str, *, expires_at: int = 0, evidence: bytes = b"evidence"
) -> dict[str, Any]:
    """Fields of `SignerRegistered`."""
    return {
        "signer": signer,
        "operator": OPERATOR,
        "imageId": IMAGE,
        "tee": 2,
        "tier": 4,
        "tcbStatus": 1,
        "evaluationNumber": 17,
        "verifierId": 1,
        "refBlock": 9,
        "expiresAt": expires_at,
        "cause": 1,
        "hwId": b"\x06" * 32,
        "evidenceHash": keccak256(evidence),
        "hpkePublicKey": b"\x07" * 32,
        "evidence": evidence,
    }


def equivocated(signer: str) -> dict[str, Any]:
    """Fields of `SignerEquivocated`."""
    return {
        "signer": signer,
        "hub": OPERATOR,
        "listRoot": bytes(32),
        "index": 3,
        "observedAt": 1_700_000_000,
        "first": b"\x01" * 14,
        "second": b"\x02" * 14,
    }


@dataclass
class FakeEvents:
    """Plays `Rpc` for `eth_getLogs`.

    Attributes:
        most_blocks: It refuses more at once.
        spans: What it gave, first and last block.
        answer: What it says instead.
    """

    most_blocks: int = 1_000_000
    spans: list[tuple[int, int]] = field(default_factory=list)
    answer: Any = None
    logs: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self, block: int, name: str, fields: dict[str, Any], *, address: str = REGISTRY
    ) -> None:
        """One more event."""
        events = load_abi("AttestationRegistry").events
        topic, item = next(pair for pair in events.items() if pair[1].name == name)
        topics, types, values = [topic], [], []
        for parameter in item.inputs:
            value = fields[parameter["name"]]
            if parameter["indexed"]:
                topics.append(encode([parameter["type"]], [value]))
            else:
                types.append(parameter["type"])
                values.append(value)
        self.logs.append(
            {
                "address": address,
                "topics": ["0x" + each.hex() for each in topics],
                "data": "0x" + encode(types, values).hex(),
                "blockNumber": hex(block),
                "transactionHash": "0x" + block.to_bytes(32, "big").hex(),
            }
        )

    async def request(self, method: str, params: Sequence[Any]) -> Any:
        """One JSON-RPC call."""
        assert method == "eth_getLogs"
        wanted = params[0]
        first, last = int(wanted["fromBlock"], 16), int(wanted["toBlock"], 16)
        if last - first + 1 > self.most_blocks:
            raise RpcRefused("too many blocks", code=-32000, data=b"")
        self.spans.append((first, last))
        return self._found(wanted, first, last) if self.answer is None else self.answer

    def _found(self, wanted: Any, first: int, last: int) -> list[dict[str, Any]]:
        return [
            log
            for log in self.logs
            if first <= int(log["blockNumber"], 16) <= last
            and log["topics"][0] in wanted["topics"][0]
            and wanted["topics"][1:] in ([], [log["topics"][1]])
        ]
