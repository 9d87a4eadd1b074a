"""What a verdict means, for a person who is no expert of trusted hardware."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from oracle.attestation.appraisal.result import AttestationResult, Check, Verdict, modules
from oracle.attestation.claims import Claims, DebugState, Measurement, Tcb, Tee
from oracle.attestation.findings import (
    Expired,
    Malformed,
    Refusal,
    Remedy,
    Step,
    Unacceptable,
    Unsigned,
)
from oracle.attestation.roots import Roots

_KINDS: Final[dict[type[Refusal], str]] = {
    Malformed: "The bytes are not whole evidence of the format that they claim, so nothing in them"
    " can be relied on.",
    Unsigned: "A signature or a certificate chain does not hold, so nobody vouches for what the"
    " evidence says: it may be made up.",
    Expired: "Something that must be current is not yet valid or no longer so, so its issuer does"
    " not vouch for it at this moment.",
    Unacceptable: "The evidence is genuine, and what it proves is not what is accepted here.",
}
_TEES: Final = {
    Tee.SGX: "an Intel SGX enclave",
    Tee.TDX: "an Intel TDX trust domain (a virtual machine closed to its host)",
    Tee.SNP: "an AMD SEV-SNP guest (a virtual machine closed to its host)",
    Tee.SEV: "an AMD SEV guest (its memory is encrypted, not protected against change)",
    Tee.NITRO: "an AWS Nitro enclave or instance, as AWS attests it",
    Tee.CCA: "an Arm CCA realm (a virtual machine closed to its host)",
    Tee.TRUSTZONE: "a device with Arm TrustZone and a PSA root of trust",
    Tee.TPM: "a machine with a TPM: what was booted, not that it is closed to its host",
}
_DEBUG: Final = {
    DebugState.ENABLED: "on: a debugger can read and change what runs",
    DebugState.DISABLED: "off",
    DebugState.DISABLED_SINCE_BOOT: "off since the machine was started",
    DebugState.DISABLED_PERMANENTLY: "off for good",
    DebugState.UNKNOWN: "unknown",
}
#: What the first word of a subject is.
_GLOSSARY: Final = {
    "mrenclave": "the hash of the enclave's code and data as they were loaded",
    "mrsigner": "the hash of the key that signed the enclave's build",
    "mrtd": "the hash of the guest's memory before it started: its firmware",
    "mrseam": "the hash of the TDX module that keeps the guest apart from the host",
    "mrservicetd": "the hash of service guests bound to this one, such as for migration",
    "rtmr0": "a register of what firmware was configured with",
    "rtmr1": "a register of the boot loader and kernel",
    "rtmr2": "a register of the kernel's command line and first files",
    "rtmr3": "a register that the running software extends",
    "sept-ve-disable": "the attribute that keeps the host from taking the guest's pages unseen",
    "measurement": "the hash of the guest's memory before it started: firmware, perhaps kernel",
    "host-data": "32 bytes that whoever started the guest gave it",
    "vmpl": "the privilege level in the guest that asked for the report, 0 being the highest",
    "policy-migrate-ma": "the launch policy's bit that lets a migration agent move the guest",
    "policy-reserved-17": "a bit of the launch policy that AMD wants to be one",
    "policy-smt": "the launch policy's bit that lets sibling threads be on",
    "pcr0": "the register of the image (Nitro), or of the firmware (TPM)",
    "pcr8": "on Nitro the register of the certificate that signed the image",
    "rim": "the hash of the realm's memory before it started",
    "TCB": "how new the platform's firmware and microcode are",
    "advisory": "a fault that the vendor has published and that this firmware level still has",
    "machine": "the identity of the processor or platform",
    "report": "64 bytes, or a nonce, that the attested code chose: what binds a key or a question",
    "nonce-present": "whether the quote answers somebody's random number, hence is recent",
    "debug": "whether a debugger may look into what runs",
    "issuer": "who signed the token",
    "audience": "for whom the token was made",
    "product": "the generation of the processor",
}
_WIDTH: Final = 20
#: Facts by this prefix are a token's claims as they stand in it: for machines.
_RAW_CLAIMS: Final = "claims."
#: The vendor's words for a firmware level.
_STATUSES: Final = {
    "UpToDate": "the vendor knows no open fault of it",
    "SWHardeningNeeded": "the code that runs must itself defend against known faults",
    "ConfigurationNeeded": "a setting of the platform leaves it open to known faults",
    "ConfigurationAndSWHardeningNeeded": "settings and the code that runs must both be mended",
    "OutOfDate": "it has known faults that an update mends",
    "OutOfDateConfigurationNeeded": "it needs an update and another setting",
    "Revoked": "the vendor no longer vouches for it",
}


def explain_refusal(refusal: Refusal, steps: Sequence[Step]) -> list[str]:
    """Lines about evidence that a verifier refused.

    Args:
        refusal: As `verify` raised it.
        steps: Of that verifier, to say what was established before; empty if none began.
    """
    step = refusal.within or refusal.step
    of = f" of {len(steps)}" if step in steps else ""
    place = f" at step {step.number}{of}, {step.name}" if step else ""
    lines = [f"REFUSED{place}", ""]
    if step:
        lines.append(_row("failed", f"{step.proves} This could not be established."))
    if refusal.step and refusal.step is not step:
        inner = refusal.step
        lines.append(_row("there", f"step {inner.number}, {inner.name}: {inner.proves}"))
    lines.append(_row("which means", _KINDS[type(refusal)]))
    lines += _finding(refusal.subject, refusal.seen, refusal.wanted, refusal.remedy)
    # Steps of the verifier of a part say nothing of those of the whole.
    before = steps[: steps.index(step)] if step in steps else []
    if before:
        lines += ["", "Established before it (worth nothing alone):"]
        lines += [f"  {each.number:>2} {each.proves}" for each in before]
    return lines


def explain_result(result: AttestationResult, steps: Sequence[Step], roots: Roots) -> list[str]:
    """Lines about genuine evidence: what is proved, to which root, and what was not checked.

    Args:
        result: As `appraise` returned it.
        steps: Of the verifier, all of which passed.
        roots: What was trusted.
    """
    claims = result.claims
    verdict = "ACCEPTED" if result.is_accepted else "REFUSED by the policy"
    lines = [f"{verdict}: genuine evidence of {_TEES[claims.tee]}"]
    for check in result.failures:
        lines += ["", *_failure(check)]
    lines += ["", f"Proved, to {name_root(claims.root_id, roots)}:"]
    lines += [f"  {step.number:>2} {step.proves}" for step in steps]
    lines += ["", "It says:", *(f"  {line}" for line in describe(claims))]
    passed = [check for check in result.checks if check.judgement.verdict is Verdict.PASSED]
    lines += ["", "The policy accepts:"]
    lines += [_passed(check) for check in passed]
    if result.loosenings:
        lines += ["", "The policy asks less than the strict defaults:"]
        lines += [f"  {each}" for each in result.loosenings]
    lines += ["", "NOT checked:" if result.unchecked else "Nothing was left unchecked."]
    lines += [f"  {item.what}: {item.reason}" for item in result.unchecked]
    return lines


def describe(claims: Claims) -> Iterator[str]:
    """What the claims are, a line each; of submodules what the whole has not said already."""
    yield from _described(claims, ())
    for path, module in modules(claims):
        if path:
            yield ""
            yield f"{path}: {_TEES[module.tee]}"
            yield from _described(module, claims.measurements)


def _described(claims: Claims, known: Sequence[Measurement]) -> Iterator[str]:
    for measured in claims.measurements:
        if measured not in known:
            yield _row(measured.name, measured.value.hex() or "empty", _meaning(measured.name))
    if claims.tcb:
        yield _row("firmware", _firmware(claims.tcb))
    yield _row("debug", _DEBUG[claims.debug])
    yield _row("machine", claims.hardware_id.hex() or "not named")
    yield _row("report data", claims.report_data.hex() or "none", _text(claims.report_data))
    yield _row("made at", _moment(claims.issued_at))
    yield _row("valid until", _moment(claims.expires_at))
    for name, value in sorted(claims.facts.items()):
        if not name.startswith(_RAW_CLAIMS) and value != "":
            yield _row(name, value.hex() if isinstance(value, bytes) else str(value))


def name_root(root_id: bytes, roots: Roots) -> str:
    """Whose root, or that it is one that the caller brought."""
    for root in roots.certificates:
        if root.id == root_id:
            if root.published_at:
                return f"{root.vendor}'s root {root_id.hex()}, published at {root.published_at}"
            return f"a root that you brought, NOT one of a vendor's: {root_id.hex()}"
    if root_id in {key.id for key in roots.keys}:
        return f"a key that you pinned, NOT a vendor's root: {root_id.hex()}"
    return f"a key that came with the evidence, and whose nothing here proves: {root_id.hex()}"


def _failure(check: Check) -> list[str]:
    found, module = check.judgement, check.module
    subject = f"{module}: {found.subject}" if module else found.subject
    lines = [f"Check {check.step.number}, {check.step.name}, failed"]
    lines.append(_row("failed", f"{check.step.proves} This does not hold."))
    remedy = found.remedy or Remedy.CHANGE_POLICY
    lines += _finding(subject, found.seen, found.wanted, remedy)
    if found.reason:
        lines.append(_row("because", found.reason))
    return lines


def _finding(subject: str, seen: str, wanted: str, remedy: Remedy) -> list[str]:
    return [
        _row("concerns", subject, _meaning(subject.rpartition(": ")[2])),
        _row("seen", seen, _STATUSES.get(seen, "")),
        _row("wanted", wanted),
        _row("what to do", remedy),
    ]


def _passed(check: Check) -> str:
    found = check.judgement
    where = f"{check.module}: " if check.module else ""
    return f"  {where}{found.subject} is {found.seen}"


def _meaning(subject: str) -> str:
    return _GLOSSARY.get(subject.partition(" ")[0], "")


def _firmware(tcb: Tcb) -> str:
    meaning = f" ({_STATUSES[tcb.status]})" if tcb.status in _STATUSES else ""
    parts = ", ".join(f"{name} {value}" for name, value in tcb.components.items())
    level = f"{tcb.status or 'no status'}{meaning}"
    return "; ".join(part for part in (level, *tcb.advisories, parts) if part)


def _text(raw: bytes) -> str:
    """Bytes that are text, as such."""
    return (
        f"the text {raw.decode()}" if raw.isascii() and raw.decode().isprintable() and raw else ""
    )


def _row(name: str, value: str, meaning: str = "") -> str:
    return f"{name:<{_WIDTH - 1}} {value}" + (f" ({meaning})" if meaning else "")


def _moment(at: int | None) -> str:
    if at is None:
        return "not stated"
    try:
        return datetime.fromtimestamp(at, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return f"{at} s after 1970"
