"""The vendor revokes a machine's certificate: its keys are known to somebody else."""

from collections.abc import Awaitable

from oracle.chain.abi_codec import load_abi
from oracle.chain.base import Call, CallReverted
from oracle.devnet.deploy import REQUIREMENTS
from oracle.devnet.scenarios.play import Play
from oracle.devnet.silicon.collateral import FIRST_NUMBER

#: How node and contracts say it.
_REVOKED, _ON_THE_LIST = "revoked this machine's certificate", "X509Crl_Revoked"
_NOT_KEPT = "DcapVerifier_UnknownPck"
#: The node renews within this of the end.
RENEW_BEFORE_S = 86_400
_LATER_S = REQUIREMENTS.max_age_s - RENEW_BEFORE_S + 3_600


async def play(p: Play) -> None:
    """The kept machine is evicted by anyone, no renewal succeeds, and the guardian revokes."""
    async with p.node():
        signer = await p.ready("registers its enclave's signer")
        await p.reports_land("reads exactly what the enclave signed")
        await p.vendor("revoke-pck")
        p.tell("vendor", "revokes the machine's PCK certificate and publishes a new list")
        await _evict(p, signer)
        await _renewal(p, signer)
        await _revoke(p, signer)
        await p.reports_stop("the hub accepts no report")
        problem = await p.problem(_REVOKED)
        p.tell("node", f"cannot register another key on this machine: {problem}", problem=problem)


async def _evict(p: Play, signer: str) -> None:
    brought = await p.anyone.bring_collateral(signer)
    kinds = [document.kind.value for document in brought]
    p.tell("anyone", "brings the new list to the chain", documents=kinds)
    gone = await p.anyone.evict(signer)
    kept = await p.anyone.read("DcapVerifier", "pck", gone["pckId"])
    p.check(
        "anyone",
        "has the verifier drop the machine, whose certificate is on the list",
        kept["validUntil"] == 0,
        machine="0x" + gone["pckId"].hex(),
    )
    refusals = [await _name(p.anyone.endorse(signer)), await _name(_recheck(p, signer))]
    p.check(
        "chain",
        "takes the machine back from nobody, and appraises no evidence of it",
        refusals == [_ON_THE_LIST, _NOT_KEPT],
        refusals=refusals,
    )
    seen = await p.anyone.registered(signer)
    p.check(
        "chain",
        "what was registered before lives on: nothing is undone unasked",
        seen.is_valid,
        cause=seen.cause.words,
    )


async def _renewal(p: Play, signer: str) -> None:
    await p.pass_time(_LATER_S, "the node's registration is to be renewed")
    problem = await p.problem(_REVOKED)
    seen = await p.anyone.registered(signer)
    p.check(
        "node",
        f"is refused the renewal: {problem}",
        seen.is_valid and seen.seconds_left < RENEW_BEFORE_S,
        problem=problem,
        seconds_left=seen.seconds_left,
    )


async def _recheck(p: Play, signer: str) -> None:
    await p.anyone.recheck(signer, number=FIRST_NUMBER)


async def _name(act: Awaitable[None]) -> str:
    """Name of the error with which the chain refuses something; empty if it does not."""
    try:
        await act
    except CallReverted as error:
        return error.name
    return ""


async def _revoke(p: Play, signer: str) -> None:
    registry = p.world.deployment.contracts["AttestationRegistry"]
    data = load_abi("AttestationRegistry").encode_call("revoke", signer)
    await p.governance.send(Call("revoke", f"0x{registry.hex()}", data))
    seen = await p.anyone.registered(signer)
    is_live = await p.anyone.read("FeedHub", "isLive")
    p.check(
        "governance",
        "revokes the signer as guardian, for good; its hubs stop in the same transaction",
        (seen.is_valid, seen.is_revoked, is_live) == (False, True, False),
        cause=seen.cause.words,
        hub_is_live=is_live,
    )
