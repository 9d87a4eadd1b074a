"""Whether contracts, verifier and vendor library say of a case what its manifest says."""

from collections.abc import Iterator

from oracle.attestation.claims import Claims
from oracle.attestation.codecs.tcb_tables import STATUS_NAMES, TcbStatus
from oracle.attestation.findings import Refusal
from tests.integration.off_chain import accepts, verified
from tests.integration.recorded_evidence import STATUSES, Recorded
from tests.integration.verdicts import Shown, Verdict, hardware_id

#: The library reads these and does not verify them.
UNDECIDED = "SGX TEE quote must have version 3"
#: The library looks for the debug flag alone; the contract wants INIT, and no key of the platform's
#: own enclaves.
STRICTER = "DcapVerifier_EnclaveAttributes"


def table(case: Recorded, verdict: Verdict) -> Iterator[str]:
    """Lines of the table: case, verdict, status, gas; then why, and the other policies."""
    shown = verdict.shown
    status = STATUS_NAMES[TcbStatus(shown.claims["tcbStatus"])] if shown else "-"
    gas = " ".join(f"{name} {used:,}" for name, used in verdict.gas.items())
    for policy in case.policies:
        word = "accept" if verdict.accepts(policy) else "reject"
        yield f"{case.name:32} {word} ({policy.expected}) {status} {gas}  [{policy.name}]"
        why = verdict.refusal or verdict.by_policy[policy.name]
        if why:
            yield f"{'':33}{why}"
    for name in case.inexpressible:
        yield f"{'':33}not tried: {name}"


def faults(case: Recorded, verdict: Verdict) -> Iterator[str]:
    """Where the contracts differ from what the case must be, or from the vendor library."""
    for policy in case.policies:
        word = "accept" if verdict.accepts(policy) else "reject"
        if policy.expected not in (word, "either"):
            yield f"{policy.name}: {word}, wanted {policy.expected}"
    yield from (f"taken: {why}" for why in verdict.taken)
    if verdict.shown is not None:
        yield from _claim_faults(case, verdict.shown)
    elif case.entry.get("tcb_status") in STATUSES:
        yield f"no status, wanted {case.entry['tcb_status']}"
    yield from _disagreement(case, verdict)
    yield from _off_chain(case, verdict)


def _claim_faults(case: Recorded, shown: Shown) -> Iterator[str]:
    claims, hints, quote = shown.claims, shown.hints, shown.quote
    status = STATUS_NAMES[TcbStatus(claims["tcbStatus"])]
    told = case.entry.get("tcb_status", status)
    if status != told:
        yield f"status {status}, wanted {told}"
    wanted = {
        "tee": quote.tee,
        "tier": 1 if case.is_intel else 4,
        "tcbStatus": hints.status,
        "imageId": quote.image_id,
        "hwId": hardware_id(hints.machine.ppid),
        "reportData0": quote.report_data[:32],
        "reportData1": quote.report_data[32:],
        "advisories": ",".join(f'"{name}"' for name in hints.advisories).encode(),
    }
    for name, value in wanted.items():
        if claims[name] != value:
            yield f"claim {name} is {claims[name]!r}, wanted {value!r}"


def _disagreement(case: Recorded, verdict: Verdict) -> Iterator[str]:
    """Where the vendor library decides otherwise."""
    decision, shown = case.decision, verdict.shown
    if isinstance(decision, str):
        # The contract leaves it to the policy to refuse this status, as every policy does.
        is_revoked = shown is not None and shown.hints.status is TcbStatus.REVOKED
        if shown is not None and not is_revoked and UNDECIDED not in decision:
            yield f"verified, but the library says {decision}"
    elif shown is None and STRICTER not in verdict.refusal:
        yield f"refused, but the library says {decision}: {verdict.refusal}"
    elif shown is not None:
        own = (STATUS_NAMES[shown.hints.status], frozenset(shown.hints.advisories))
        if own != decision:
            yield f"{own}, but the library says {decision}"


def _off_chain(case: Recorded, verdict: Verdict) -> Iterator[str]:
    """Where the verifier off-chain decides otherwise than the contracts."""
    found = verified(case, case.raw)
    for policy in case.policies:
        own, theirs = accepts(case, found, policy), verdict.accepts(policy)
        if own != theirs:
            yield f"{policy.name}: off-chain {own}, on-chain {theirs}: {found}"
    for raw, why in case.negatives:
        if not isinstance(verified(case, raw), Refusal):
            yield f"taken off-chain: {why}"
    if verdict.shown is not None and not isinstance(found, Refusal):
        yield from _claims_off_chain(found, verdict.shown)


def _claims_off_chain(found: Claims, shown: Shown) -> Iterator[str]:
    claims, tcb = shown.claims, found.tcb
    assert tcb is not None
    status = STATUS_NAMES[TcbStatus(claims["tcbStatus"])]
    listed = ",".join(f'"{name}"' for name in dict.fromkeys(shown.hints.advisories))
    pairs = {
        "status": (tcb.status, status),
        "advisories": (",".join(f'"{name}"' for name in tcb.advisories), listed),
        "number": (tcb.evaluation_number, claims["evaluationNumber"]),
        "report data": (found.report_data, claims["reportData0"] + claims["reportData1"]),
        "machine": (hardware_id(found.hardware_id), claims["hwId"]),
        "end": (found.expires_at, min(claims["notAfter"], claims["collateralUntil"])),
    }
    for name, (own, theirs) in pairs.items():
        if own != theirs:
            yield f"{name}: off-chain {own!r}, on-chain {theirs!r}"
