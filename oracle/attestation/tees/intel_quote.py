"""Intel's ECDSA quotes, whatever they are of: what `sgx` and `tdx` share.

Signatures, chains and revocation are established by `dcap-qvl` in one call (steps 5 to 10). Forms
and dates, machine and levels are read here, and the status must be the one that the library finds.
Where the library refuses, the same steps are made here one by one: so that the refusal names its
step, and because the library does not read SGX quotes from version 4 on and refuses what is for a
policy to refuse (debug, attributes of trust domains, revoked levels).

Reference: Intel SGX ECDSA QuoteLib reference; Intel TDX DCAP Quoting Library API; Intel SGX PCK
Certificate and CRL Profile Specification, revision 1.5; Intel PCS API v4.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import dcap_qvl
from cryptography import x509

from enclave.domain.errors import AppraisalFailed, MalformedEvidence
from enclave.domain.evidence import TeeKind
from oracle.attestation.claims import Fact, Tcb, Unchecked
from oracle.attestation.codecs.certificates import name_of
from oracle.attestation.codecs.dcap import DcapQuote, split_quote
from oracle.attestation.codecs.intel_collateral import IntelCollateral, parse_collateral
from oracle.attestation.codecs.pck import Machine, parse_machine
from oracle.attestation.codecs.quote_fields import fields_of
from oracle.attestation.codecs.tcb_evaluation import (
    Evaluation,
    evaluate,
    require_machine,
    require_quoting_enclave,
)
from oracle.attestation.codecs.tcb_tables import STATUS_NAMES
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence
from oracle.attestation.findings import (
    Expired,
    Remedy,
    Step,
    Unacceptable,
    Unsigned,
    performing,
)
from oracle.attestation.roots import Anchors, Root, Roots
from oracle.attestation.tees.intel_signatures import QuoteCase, check_signatures

#: Of quotes that Intel's own quoting enclaves make.
QE_VENDOR_ID: Final = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
_VENDOR_ID = slice(12, 28)
#: The version of SGX quotes that the library reads; it need not be asked about others.
_SGX_VERSION = 3
_ANOTHER_VERSION = "SGX quotes have to have version 3"
#: What the library refuses although everything is genuine: it is for a policy to refuse.
_LEFT_TO_POLICY: Final = frozenset(
    {
        _ANOTHER_VERSION,
        "Debug mode is enabled",
        "TD profiling is enabled",
        "Reserved bits in TD attributes are set",
        "SERVTD_EXT is enabled",
        "SEPT_VE_DISABLE is not enabled",
        "TD migration is enabled",
        "Invalid MR service TD",
        "TCB status is invalid: Revoked",
    }
)
#: What no quote says.
FRESHNESS: Final = (
    Unchecked(
        "time of the quote",
        "a quote bears no date: its report data have to bind it to something recent",
    ),
    Unchecked(
        "newer collateral",
        "what was brought is in date; whether Intel has published something newer is not known",
    ),
)
_PROVES: Final = (
    ("quote-format", "The file is one whole quote, of Intel's quoting enclaves, with its chain."),
    (
        "collateral-format",
        "Intel's documents, their signers and both revocation lists are there, in Intel's form.",
    ),
    ("trusted-root", "The chains of quote and collateral end at a trusted root."),
    ("validity", "Certificates, revocation lists and collateral are in date."),
    ("pck-chain", "The root issued the CA, and that the certificate of the machine."),
    ("revocation", "Root and CA signed their lists, which name neither machine nor CA."),
    (
        "collateral-signature",
        "A signer that the root issued and has not revoked signed Intel's documents.",
    ),
    ("qe-report-signature", "The machine's key signed the quoting enclave's report."),
    ("qe-report-binding", "The quoting enclave's report names the attestation key."),
    ("quote-signature", "The attestation key signed the quote."),
    ("qe-identity", "The quoting enclave is the one that Intel describes."),
    ("tcb-info", "The TCB information is of this kind of machine."),
    ("tcb-level", "Quoting enclave, platform and TDX module each meet a level of Intel's tables."),
    ("second-opinion", "The library dcap-qvl finds the same TCB status and advisories."),
)


def numbered_steps(verifier: str, *more: tuple[str, str]) -> tuple[Step, ...]:
    """The steps of a verifier: those of every quote, then its own.

    Args:
        verifier: Its name, before the dot.
        more: Name and sentence of each step of its own.
    """
    steps = enumerate((*_PROVES, *more), start=1)
    return tuple(Step(number, f"{verifier}.{name}", proves) for number, (name, proves) in steps)


@dataclass(frozen=True, slots=True)
class GenuineQuote:
    """A quote that passed every step.

    Attributes:
        quote: Taken apart.
        body: Fields of the report body by name.
        machine: Whose it is, by its certificate.
        root: That it chains to.
        collateral: By which it was evaluated.
        levels: What that says of it.
        expires_at: End of the shortest validity, seconds since the epoch.
        unchecked: What was not checked.
    """

    quote: DcapQuote
    body: Mapping[str, bytes]
    machine: Machine
    root: Root
    collateral: IntelCollateral
    levels: Evaluation
    expires_at: int
    unchecked: tuple[Unchecked, ...]

    @property
    def tcb(self) -> Tcb:
        """Firmware: status and date, and security versions under Intel's names."""
        machine, body = self.machine, self.body
        components = {
            f"sgxtcbcomp{number:02}svn": svn
            for number, svn in enumerate(machine.components, start=1)
        }
        for name in ("tee_tcb_svn", "tee_tcb_svn_2"):
            versions = enumerate(body.get(name, b""))
            components |= {f"{name}_{number}": svn for number, svn in versions}
        components["pcesvn"] = machine.pcesvn
        return Tcb(
            status=STATUS_NAMES[self.levels.status],
            advisories=tuple(dict.fromkeys(self.levels.advisories)),
            components=components,
            evaluation_number=min(self.collateral.info.number, self.collateral.identity.number),
            dated_at=self.levels.dated_at,
        )

    @property
    def facts(self) -> dict[str, Fact]:
        """What every quote says."""
        qe = fields_of(self.quote.qe_report)
        below = (part.below for part in self.levels.parts if part.below)
        shortfalls = (f"{name} is {seen}, wanted {least}" for name, seen, least in below)
        return {
            "quote-version": self.quote.version,
            "fmspc": self.machine.fmspc,
            "pceid": self.machine.pceid,
            "pck-serial": f"{self.machine.serial:#x}",
            "qe-mrenclave": qe["mrenclave"],
            "qe-mrsigner": qe["mrsigner"],
            "qe-isvprodid": int.from_bytes(qe["isvprodid"], "little"),
            "qe-isvsvn": int.from_bytes(qe["isvsvn"], "little"),
            "tcb-shortfall": "; ".join(dict.fromkeys(shortfalls)),
        }


@dataclass(frozen=True, slots=True)
class _Opinion:
    """The library's: what it found, or why it refuses."""

    status: str = ""
    advisories: frozenset[str] = frozenset()
    ppid: bytes = b""
    refusal: str = ""


def verify_quote(
    evidence: Evidence,
    endorsements: Endorsements,
    *,
    tee: TeeKind,
    steps: tuple[Step, ...],
    roots: Roots,
    now: int,
) -> GenuineQuote:
    """Steps 1 to 14 of `sgx` and `tdx`; see there.

    Raises:
        Refusal: Of some kind, with its step.
    """
    # 1. quote-format, 2. collateral-format, 3. trusted-root
    case = _opened(evidence, endorsements, tee, steps, roots, now)
    # 4. validity
    with performing(steps[3], subject="validity"):
        expires_at = min(_ends(case))
    # 5. to 10. at once, if the library agrees; else one by one
    opinion = _opinion(case)
    if opinion.refusal:
        check_signatures(case, steps)
    quote, collateral = case.quote, case.collateral
    # 11. qe-identity
    with performing(steps[10], subject="quoting enclave", remedy=Remedy.REFRESH_COLLATERAL):
        _require_tee(collateral.identity.tee, tee)
        require_quoting_enclave(quote.qe_report, collateral.identity)
    # 12. tcb-info
    with performing(steps[11], subject="TCB information", remedy=Remedy.REFRESH_COLLATERAL):
        _require_tee(collateral.info.tee, tee)
        require_machine(case.machine, collateral.info)
    # 13. tcb-level
    with performing(steps[12], subject="TCB level", remedy=Remedy.UPDATE_FIRMWARE):
        levels = evaluate(quote, case.machine, collateral.info, collateral.identity)
        _require_levels(levels)
    # 14. second-opinion
    with performing(steps[13], subject="TCB status"):
        unchecked = _require_agreement(levels, case.machine, opinion)
    body = fields_of(quote.body)
    root = case.root
    return GenuineQuote(quote, body, case.machine, root, collateral, levels, expires_at, unchecked)


def _opened(
    evidence: Evidence,
    endorsements: Endorsements,
    tee: TeeKind,
    steps: tuple[Step, ...],
    roots: Roots,
    now: int,
) -> QuoteCase:
    with performing(steps[0], subject="quote"):
        quote = split_quote(evidence.raw)
        _require_tee(quote.tee, tee)
        if quote.header[_VENDOR_ID] != QE_VENDOR_ID:
            vendor = quote.header[_VENDOR_ID].hex()
            raise MalformedEvidence(f"QE vendor id is {vendor}, wanted {QE_VENDOR_ID.hex()}")
        machine = parse_machine(quote.pck.parsed, ca_id=quote.ca.id)
    with performing(steps[1], subject="collateral", remedy=Remedy.REFRESH_COLLATERAL):
        collateral = parse_collateral(endorsements.intel)
    with performing(steps[2], subject="root certificate"):
        root = _trusted_root(quote, collateral, roots)
    return QuoteCase(evidence.raw, quote, machine, collateral, root, now)


def _require_tee(seen: TeeKind, wanted: TeeKind) -> None:
    if seen is not wanted:
        raise MalformedEvidence(f"it is of {seen.name}, wanted {wanted.name}")


def _trusted_root(quote: DcapQuote, collateral: IntelCollateral, roots: Roots) -> Root:
    """The root that all chains end at."""
    ends = {
        # Every whole quote has three certificates.
        "quote": quote.root or quote.ca,
        "TCB information": collateral.info_signed.root,
        "quoting enclave identity": collateral.identity_signed.root,
    }
    trusted = roots.of(Anchors.INTEL_SGX)
    for root in trusted:
        if all(end.der == root.der for end in ends.values()):
            return root
    seen = (f"{name}: {hashlib.sha256(end.der).hexdigest()}" for name, end in ends.items())
    raise Unsigned(
        f"roots with SHA-256 of {', '.join(seen)}",
        f"one of {[root.id.hex() for root in trusted]} in all",
        subject="root certificate",
        remedy=Remedy.GENUINE_HARDWARE,
    )


def _ends(case: QuoteCase) -> Iterator[int]:
    """End of everything that must be in date."""
    collateral = case.collateral
    signers = (collateral.info_signed.signer, collateral.identity_signed.signer)
    chain = (case.quote.pck.parsed, case.quote.ca.parsed, case.root.certificate)
    for certificate in dict.fromkeys((*chain, *signers)):
        window = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        yield _end(certificate, window, case.now)
    for name, crl in (("root's", collateral.root_crl), ("CA's", collateral.pck_crl)):
        begins = crl.last_update_utc
        # A list without an end is not loaded; it would end when it begins.
        window = begins, crl.next_update_utc or begins
        yield _end(f"the {name} revocation list", window, case.now)
    info, identity = collateral.info, collateral.identity
    for name, document in (("TCB information", info), ("quoting enclave identity", identity)):
        window = _moment(document.issued_at), _moment(document.next_update)
        yield _end(name, window, case.now)


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _end(subject: str | x509.Certificate, window: tuple[datetime, datetime], now: int) -> int:
    begins, ends = window
    moment = _moment(now)
    if not begins <= moment <= ends:
        raise Expired(
            f"{moment:%Y-%m-%d %H:%M:%S} UTC",
            f"{begins:%Y-%m-%d %H:%M:%S} to {ends:%Y-%m-%d %H:%M:%S}",
            subject=subject if isinstance(subject, str) else name_of(subject),
            remedy=Remedy.CHECK_TIME if moment < begins else Remedy.REFRESH_COLLATERAL,
        )
    return int(ends.timestamp())


def _opinion(case: QuoteCase) -> _Opinion:
    """What the library says of signatures, chains, lists and levels."""
    if case.quote.tee is TeeKind.SGX and case.quote.version != _SGX_VERSION:
        return _Opinion(refusal=_ANOTHER_VERSION)
    try:
        report = dcap_qvl.verify_with_root_ca(
            case.raw, case.collateral.whole, case.root.der, case.now
        )
    except ValueError as error:
        return _Opinion(refusal=" ".join(str(error).split()).removeprefix("Verification failed: "))
    return _Opinion(report.status, frozenset(report.advisory_ids), report.ppid)


def _require_levels(levels: Evaluation) -> None:
    part = levels.refused
    if part is None:
        return
    if part.below is None:
        raise AppraisalFailed(str(part.refusal))
    subject, seen, least = part.below
    raise Unacceptable(
        f"{subject} is {seen}, so the {part.name} meets none of {len(part.levels)} levels",
        f"at least {least}, the oldest level that Intel lists",
        subject=subject,
        remedy=Remedy.UPDATE_FIRMWARE,
    )


def _require_agreement(
    levels: Evaluation, machine: Machine, opinion: _Opinion
) -> tuple[Unchecked, ...]:
    """What the library leaves unchecked."""
    if opinion.refusal in _LEFT_TO_POLICY:
        reason = f"dcap-qvl says: {opinion.refusal}; every step was made by this verifier alone"
        return (Unchecked("second opinion", reason),)
    own = _Opinion(STATUS_NAMES[levels.status], frozenset(levels.advisories), machine.ppid)
    if opinion != own:
        raise Unacceptable(
            f"{opinion.refusal or opinion.status} {sorted(opinion.advisories)} by dcap-qvl",
            f"{own.status} {sorted(own.advisories)}, as found here",
            subject="TCB status",
            remedy=Remedy.REPORT_DISAGREEMENT,
        )
    return ()
