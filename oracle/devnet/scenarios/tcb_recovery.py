"""A vulnerability of the platform becomes public, and the machine is not updated in time."""

from oracle.chain.base import CallReverted
from oracle.chain.life import LifeCause
from oracle.devnet.deploy import REQUIREMENTS
from oracle.devnet.scenarios.play import Play

#: `TcbStatus`.
_OUT_OF_DATE = "ImagePolicy_StatusNotAccepted"
#: Registrations end at multiples of this.
_GRAIN_S = 64


async def play(p: Play) -> None:
    """Feeds go on within the grace, stop after it, and go on once the machine is updated."""
    async with p.node():
        signer = await p.ready("registers its enclave's signer; the machine is up to date")
        await p.reports_land("reads exactly what the enclave signed")
        number = await _recovery(p)
        await _within_the_grace(p, signer, number)
        await p.pass_time(
            REQUIREMENTS.recovery_grace_s + _GRAIN_S, "the grace after the recovery is over"
        )
        await _after_the_grace(p, signer, number)
    await p.vendor("update-machine")
    p.tell("operator", "updates the machine, which gets another PCK certificate, and restarts it")
    async with p.node():
        again = await p.ready("registers the new enclave's signer")
        event = await p.anyone.registration(again)
        p.check(
            "chain",
            f"the machine is up to date under number {number}",
            (event["tcbStatus"], event["evaluationNumber"]) == (1, number) and again != signer,
            signer=again,
            evaluation_number=event["evaluationNumber"],
        )
        await p.reports_land("reads what the new enclave signed")


async def _recovery(p: Play) -> int:
    number = int((await p.vendor("recover-tcb"))["number"])
    p.tell(
        "vendor",
        f"makes a vulnerability public: TCB evaluation data number {number}, under which this"
        " machine is out of date",
        number=number,
    )
    return number


async def _within_the_grace(p: Play, signer: str, number: int) -> None:
    brought = await p.anyone.bring_collateral(signer)
    p.tell(
        "anyone",
        f"brings the collateral of number {number} that the chain lacks",
        documents=[document.kind.value for document in brought],
    )
    try:
        await p.anyone.recheck(signer, number=number)
        refusal = ""
    except CallReverted as error:
        refusal = error.name
    p.check(
        "anyone",
        f"re-checks the signer under number {number}: it cannot be suspended within the grace",
        refusal == _OUT_OF_DATE,
        refusal=refusal,
    )
    seen = await p.anyone.registered(signer)
    p.check("chain", "the signer is still valid", seen.is_valid, cause=seen.cause.words)
    await p.reports_land("reads on within the grace")


async def _after_the_grace(p: Play, signer: str, number: int) -> None:
    brought = await p.anyone.bring_collateral(signer)
    documents = [document.kind.value for document in brought]
    event, _ = await p.anyone.recheck(signer, number=number)
    p.check(
        "anyone",
        "re-checks the signer's own evidence again: it is suspended",
        event == "SignerSuspended",
        documents=documents,
        event=event,
    )
    seen = await p.anyone.registered(signer)
    p.check(
        "chain",
        "the signer is not valid: the policy refused the platform",
        (seen.is_valid, seen.cause) == (False, LifeCause.APPRAISAL),
        cause=seen.cause.words,
    )
    await p.reports_stop("the hub accepts no report")
    problem = await p.problem("ImagePolicy_")
    p.tell("node", f"cannot register again: {problem}", problem=problem)
