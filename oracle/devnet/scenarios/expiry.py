"""The vendor stops publishing: collateral ends, and with it, after a grace, registrations."""

from oracle.chain.base import CallReverted
from oracle.chain.life import LifeCause
from oracle.devnet.deploy import REQUIREMENTS
from oracle.devnet.scenarios.play import Play
from oracle.devnet.silicon.collateral import FIRST_NUMBER

_EXPIRED = "FeedHub_SignerExpired"
_ENDED = "IntelCollateral_Expired"
_RENEWED = "AttestationRegistry_NothingToChange"
_DAY_S = 86_400
#: Shorter than a registration's longest life less the grace, so that collateral ends it.
_LIFE_S = 2 * _DAY_S
_MARGIN_S = 600


async def play(p: Play) -> None:
    """A registration outlives its collateral by the grace, and comes back without a new key."""
    await p.vendor("publish", life_s=_LIFE_S)
    await p.vendor("stop-publishing")
    p.tell("vendor", "publishes collateral of two days, and then nothing more", life_s=_LIFE_S)
    async with p.node():
        signer = await p.ready("registers its enclave's signer")
        seen = await p.anyone.registered(signer)
        limit_s = _LIFE_S + REQUIREMENTS.collateral_grace_s
        p.check(
            "chain",
            "the registration ends with its collateral and the grace of three days",
            seen.cause is LifeCause.COLLATERAL
            and limit_s - _MARGIN_S < seen.seconds_left <= limit_s,
            cause=seen.cause.words,
            seconds_left=seen.seconds_left,
        )
        await p.reports_land("reads exactly what the enclave signed")
        await p.pass_time(_LIFE_S, "the collateral has ended")
        await _within_the_grace(p, signer)
        await p.pass_time(REQUIREMENTS.collateral_grace_s, "the grace is over, too")
        await _after_the_grace(p, signer)
        await _publish_again(p, signer)


async def _within_the_grace(p: Play, signer: str) -> None:
    seen = await p.anyone.registered(signer)
    p.check("chain", "the signer is valid within the grace", seen.is_valid, cause=seen.cause.words)
    await p.reports_land("reads on within the grace")
    refusal = await _recheck(p, signer)
    p.check(
        "anyone",
        "cannot suspend it either: evidence is never judged by collateral that has ended",
        refusal == _ENDED,
        refusal=refusal,
    )


async def _after_the_grace(p: Play, signer: str) -> None:
    seen = await p.anyone.registered(signer)
    p.check(
        "chain",
        "the registration has ended, and is not destroyed",
        (seen.is_valid, seen.is_revoked, seen.cause) == (False, False, LifeCause.COLLATERAL),
        cause=seen.cause.words,
    )
    refusal = await p.refusal(_EXPIRED)
    p.tell("node", f"has its reports refused: {refusal}", refusal=refusal)
    await p.reports_stop("the hub accepts no report")


async def _publish_again(p: Play, signer: str) -> None:
    await p.vendor("publish")
    p.tell("vendor", "publishes again")
    brought = await p.anyone.bring_collateral(signer)
    kinds = [document.kind.value for document in brought]
    p.tell("anyone", "brings it to the chain", documents=kinds)
    refusal = await _recheck(p, signer)
    quicker = "; the node's own renewal was quicker" if refusal == _RENEWED else ""
    p.check(
        "anyone",
        f"re-checks the signer's old evidence by it{quicker}",
        refusal in ("", _RENEWED),
        refusal=refusal,
    )
    seen = await p.anyone.registered(signer)
    p.check(
        "chain",
        "the same signer is valid again, without a new key",
        seen.is_valid,
        signer=signer,
        cause=seen.cause.words,
        seconds_left=seen.seconds_left,
    )
    await p.reports_land("reads what the same enclave signs")


async def _recheck(p: Play, signer: str) -> str:
    """Name of the refusal; empty if there was none."""
    try:
        await p.anyone.recheck(signer, number=FIRST_NUMBER)
    except CallReverted as error:
        return error.name
    return ""
