"""`oracle doctor` asks each peer over real TLS and says what it answered."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from enclave.domain import wire
from enclave.domain.errors import OracleError
from oracle.cli.findings import Verdict
from oracle.cli.quorum_checks import check_peers
from oracle.config import Config, build_config
from oracle.quorum.certificates import Peer
from oracle.quorum.messages import CosignRequest, ObserveRequest
from oracle.quorum.responder import NotReady
from oracle.quorum.server import serve_peers
from oracle.telemetry.state import PeerState
from tests.fakes.certificates import Issued, issue

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
OWN = "0x" + "11" * 20
OBSERVATION = wire.SignedObservation(b"\x0a" * 20, 1, bytes(32), bytes(14), bytes(64))


class _Responder:
    def __init__(self, error: OracleError | None) -> None:
        self._error = error
        self.asked: list[ObserveRequest] = []

    async def observe(self, peer: Peer, request: ObserveRequest) -> wire.SignedObservation:
        self.asked.append(request)
        if self._error is not None:
            raise self._error
        return OBSERVATION

    async def cosign(self, peer: Peer, request: CosignRequest) -> wire.CosignResult:
        raise AssertionError("the doctor asks for no signature")


@asynccontextmanager
async def _node(own: Issued, peer: Issued, error: OracleError | None = None) -> AsyncIterator[int]:
    pinned = [Peer(OWN, "", peer.identity.certificate)]
    states = {OWN: PeerState(OWN, "")}
    async with serve_peers(
        _Responder(error), own.identity, pinned, listen="127.0.0.1:0", body_s=1, states=states
    ) as port:
        yield port


def _config(folder: Path, ports: dict[str, int]) -> Config:
    peers = [
        {
            "operator": "0x" + f"{number:02x}" * 20,
            "url": f"https://127.0.0.1:{port}",
            "certificate": f"{name}.pem",
        }
        for number, (name, port) in enumerate(ports.items(), 0xA0)
    ]
    sections = {
        "chain": {
            "network": "anvil",
            "rpc_urls": ["http://127.0.0.1:1"],
            "registry": ADDRESS,
            "signer_set": ADDRESS,
            "hub": ADDRESS,
        },
        "enclave": {"silicon": "s"},
        "keys": {"keystore": "k", "password_file": "p"},
        "quorum": {
            "listen": "127.0.0.1:0",
            "certificate": "own.pem",
            "private_key": "own.key",
            "peers": peers,
        },
    }
    return build_config(sections, base=folder)


async def test_each_peer_is_asked_and_its_answer_said(tmp_path: Path) -> None:
    names = ("own", "well", "starting", "down")
    own, well, starting, _ = (issue(tmp_path, name) for name in names)
    refusal = NotReady("this node's enclave is not running")
    async with _node(well, own) as one, _node(starting, own, refusal) as two:
        config = _config(tmp_path, {"well": one, "starting": two, "down": 1})
        found = await check_peers(config)
    assert [finding.verdict for finding in found] == [Verdict.OK, Verdict.NOTE, Verdict.FAIL]
    assert f"answered; its enclave signs as 0x{'0a' * 20}" in found[0].seen
    assert "refused (NotReady): this node's enclave is not running" in found[1].seen
    assert found[2].seen.endswith("(https://127.0.0.1:1) refused the connection")


async def test_a_peer_that_did_not_pin_this_node_is_named(tmp_path: Path) -> None:
    _, other, well = (issue(tmp_path, name) for name in ("own", "other", "well"))
    async with _node(well, other) as port:
        [finding] = await check_peers(_config(tmp_path, {"well": port}))
    assert finding.verdict is Verdict.FAIL
    assert "accept this node's certificate" in finding.seen


async def test_certificates_that_cannot_be_used_ask_nobody(tmp_path: Path) -> None:
    issue(tmp_path, "own")
    assert await check_peers(_config(tmp_path, {"missing": 1})) == []
