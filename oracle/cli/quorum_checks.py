"""Checks of `oracle doctor` for `[quorum]`: certificates, seats, and what each peer answers."""

import asyncio
import time
from collections.abc import Iterator

from enclave.domain.errors import ConfigError
from oracle.chain.evm import EvmChain
from oracle.chain.keys import SubmitterKey
from oracle.cli.findings import Finding, Verdict, fail, ok
from oracle.config import Config, QuorumConfig
from oracle.daemon.parts import load_membership
from oracle.quorum.certificates import load_identity, load_peers
from oracle.quorum.messages import ObserveRequest
from oracle.quorum.peers import PeerClient, PeerFailed, PeerRefused, open_peers
from oracle.telemetry.state import PeerState

_DAY_S = 86_400
#: A certificate that ends sooner is worth a note: every peer must get the next one first.
_SOON_DAYS = 30


def check_quorum(config: Config, key: SubmitterKey | None) -> list[Finding]:
    """Certificates, the key's mode, and who the peers are; nothing if none are configured."""
    quorum = config.quorum
    if quorum is None:
        return []
    try:
        load_membership(config, key)
        own = load_identity(quorum)
        peers = load_peers(quorum, own.certificate)
    except ConfigError as error:
        return [fail("quorum", str(error), "correct [quorum]; see oracle/README.md")]
    ends = {"this node": own.certificate.not_after}
    ends |= {peer.operator: peer.certificate.not_after for peer in peers}
    findings = list(_ending(ends))
    if not findings:
        sha256 = own.certificate.sha256.hex()
        findings = [ok("quorum", f"{len(peers)} peers; this node's certificate is {sha256}")]
    return findings


def _ending(ends: dict[str, int]) -> Iterator[Finding]:
    now = int(time.time())
    for who, not_after in ends.items():
        days = (not_after - now) // _DAY_S
        if not_after <= now:
            mend = "make a new one; every peer needs it: oracle quorum certificate --help"
            yield fail("quorum", f"the certificate of {who} has expired", mend)
        elif days < _SOON_DAYS:
            seen = f"the certificate of {who} ends in {days} days"
            yield Finding(
                "quorum", Verdict.NOTE, seen, "make a new one, and let every peer have it"
            )


async def check_seats(quorum: QuorumConfig, chain: EvmChain) -> Finding:
    """Whether every peer has a seat, and a signer in it."""
    seats = await chain.seats()
    operators = [peer.operator for peer in quorum.peers]
    unseated = [operator for operator in operators if operator not in seats.operators]
    if unseated:
        mend = "governance seats the operator (SignerSet.addSeat), or correct quorum.peers"
        return fail("seats", f"no seat: {', '.join(unseated)}", mend)
    signing = {one.operator for one in seats.signers}
    silent = [operator for operator in operators if operator not in signing]
    if silent:
        seen = f"no valid signer in the seat of {', '.join(silent)}"
        return Finding("seats", Verdict.NOTE, seen, "their operators' nodes must register")
    return ok("seats", f"all {len(operators)} peers have a seat and a valid signer")


async def check_peers(config: Config) -> list[Finding]:
    """What each peer answers when it is asked for an observation."""
    quorum = config.quorum
    if quorum is None:
        return []
    states: dict[str, PeerState] = {}
    try:
        own = load_identity(quorum)
        peers = load_peers(quorum, own.certificate)
        async with (
            open_peers(own, peers, timeout_s=quorum.timeout_s, states=states) as clients,
            asyncio.TaskGroup() as tasks,
        ):
            asked = [tasks.create_task(_check_peer(config, client)) for client in clients]
    except ConfigError:
        # `check_quorum` has said it.
        return []
    return [task.result() for task in asked]


async def _check_peer(config: Config, client: PeerClient) -> Finding:
    name, peer = "peer", client.peer
    who = f"{peer.operator} ({peer.url})"
    request = ObserveRequest(config.chain.chain_id, bytes.fromhex(config.chain.hub[2:]))
    try:
        observation = await client.observe(request)
    except PeerRefused as error:
        mend = "it is reached; its operator finds the reason with `oracle status`"
        return Finding(name, Verdict.NOTE, f"{who} {error}", mend)
    except PeerFailed as error:
        mend = "see the words in oracle/README.md, area quorum; ask its operator"
        return fail(name, f"{who} {error}", mend)
    return ok(name, f"{who} answered; its enclave signs as 0x{observation.signer.hex()}")
