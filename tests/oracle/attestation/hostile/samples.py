"""Evidence of every platform that verifies, made once in a process: what mutation begins with."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from enclave.domain.evidence import TeeKind
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, EvidenceFormat, Part
from oracle.attestation.roots import Anchors, PinnedKey, Root, Roots
from oracle.devnet.silicon import nitro
from oracle.devnet.silicon.amd import (
    GENOA,
    MILAN,
    TURIN,
    VCEK,
    VLEK,
    AmdKeys,
    AmdVendor,
    Line,
    make_amd_vendor,
    sign_report,
)
from oracle.devnet.silicon.quotes import QuoteForm
from tests.fakes import (
    amd,
    arm_tokens,
    azure_evidence,
    gce,
    hcl_reports,
    intel_evidence,
    tokens,
    tpm_evidence,
)
from tests.fakes.event_logs import LOCALITY, extended, log_event, log_header, old_event
from tests.fakes.x509_authority import NOW as TPM_NOW
from tests.fakes.x509_authority import make_certificate
from tests.vectors.dcap_parts import Parts, tdx_body

NITRO_NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
AIK = x509.ExtendedKeyUsage([x509.ObjectIdentifier("2.23.133.8.3")])
_RTMR0 = 16 + 48 * 2 + 8 * 3 + 48 * 4
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Genuine:
    """Evidence that verifies.

    Attributes:
        evidence: With its parts.
        endorsements: Whatever belongs to it.
        roots: What is trusted.
        now: When it verifies, seconds since the epoch.
        more: Other main files that verify in the same surroundings.
    """

    evidence: Evidence
    endorsements: Endorsements
    roots: Roots
    now: int
    more: tuple[bytes, ...] = ()

    @property
    def raws(self) -> tuple[bytes, ...]:
        """All main files."""
        return self.evidence.raw, *self.more


def genuine_evidence() -> Iterator[Genuine]:
    """Of every platform."""
    yield from _intel()
    yield from _amd()
    yield _nitro()
    yield from _arm()
    yield from _google()
    yield from _maa()
    yield from _azure()
    yield from _tpm()


def intel_log() -> bytes:
    """Events of a trust domain."""
    return log_header() + b"".join(
        log_event(register, data) for register, data in ((1, b"firmware"), (3, b"kernel"))
    )


def tpm_log() -> bytes:
    """Events in two banks."""
    banks = ("sha256", "sha384")
    events = [log_event(0, LOCALITY + b"\3", kind=3, algorithms=banks)]
    events += [log_event(4, data, algorithms=banks) for data in (b"loader", b"kernel")]
    return log_header(banks) + b"".join(events)


def old_log() -> bytes:
    """Events of the older form."""
    return old_event(0, b"firmware") + old_event(4, b"loader") + b"\xff" * 64


def _intel() -> Iterator[Genuine]:
    for tee in (TeeKind.SGX, TeeKind.TDX):
        case = intel_evidence.Case(tee)
        forms = tuple(intel_evidence.genuine(form) for form in QuoteForm if form.tee is tee)
        yield Genuine(case.evidence, case.endorsements, case.trusted, case.now, forms)
    registers = (
        extended("sha384", data) if data else bytes(48)
        for data in (b"firmware", b"", b"kernel", b"")
    )
    body = tdx_body()
    body = body[:_RTMR0] + b"".join(registers) + body[_RTMR0 + 192 :]
    quote = intel_evidence.whole_quote(Parts(QuoteForm.TDX_V4, body))
    logged = intel_evidence.Case(TeeKind.TDX, quote, log=intel_log())
    yield Genuine(logged.evidence, logged.endorsements, logged.trusted, logged.now)


@cache
def _amd_vendor(line: Line) -> AmdVendor:
    return make_amd_vendor(line, _amd_keys(), now=amd.NOW)


@cache
def _amd_keys() -> AmdKeys:
    """Smaller than AMD's, which take seconds to make."""
    return AmdKeys(*(rsa.generate_private_key(65_537, 2_048) for _ in range(3)))


def _amd() -> Iterator[Genuine]:
    yield _snp(MILAN, VCEK, version=2)
    yield _snp(GENOA, VLEK, version=3)
    yield _snp(TURIN, VCEK, version=5)


def _snp(line: Line, kind: int, **changes: Any) -> Genuine:
    vendor = _amd_vendor(line)
    if kind == VLEK:
        signer, above = vendor.issue_vlek(amd.CSP, amd.LEVELS), vendor.asvk
    else:
        signer, above = vendor.issue_vcek(amd.hwid(line), amd.LEVELS), vendor.ask
    report = amd.make_report(line, signing_key=kind, **changes)
    return Genuine(
        Evidence(EvidenceFormat.SNP_REPORT, sign_report(report, signer.key)),
        Endorsements((signer.certificate, above), (vendor.make_crl(now=amd.NOW),)),
        Roots((Root(Anchors.AMD_SNP, "emulated", vendor.ark),)),
        amd.AT,
    )


def _nitro() -> Genuine:
    module = nitro.make_module(now=NITRO_NOW)
    pcrs = {0: b"\x10" * 48, 8: b"\x18" * 48}
    request = nitro.Request(public_key=b"a key", user_data=b"report data", nonce=b"a nonce")
    documents = [
        module.document(pcrs, request, now=NITRO_NOW, pcrs_field=field)
        for field in ("pcrs", "nitrotpm_pcrs")
    ]
    return Genuine(
        Evidence(EvidenceFormat.NITRO_DOCUMENT, documents[0]),
        Endorsements(),
        Roots((Root(Anchors.AWS_NITRO, "emulated AWS", module.root.der),)),
        int(NITRO_NOW.timestamp()),
        (documents[1],),
    )


def _arm() -> Iterator[Genuine]:
    machine = arm_tokens.CcaMachine()
    yield Genuine(
        Evidence(EvidenceFormat.CCA_TOKEN, machine.token()),
        Endorsements(),
        arm_tokens.pinned(machine.platform_key),
        0,
    )
    key = ec.generate_private_key(ec.SECP256R1())
    psa, legacy = (
        arm_tokens.psa_token(each, key) for each in (arm_tokens.PSA, arm_tokens.PSA_LEGACY)
    )
    evidence = Evidence(EvidenceFormat.PSA_TOKEN, psa)
    yield Genuine(evidence, Endorsements(), arm_tokens.pinned(key), 0, (legacy,))


def _google() -> Iterator[Genuine]:
    key = tpm_evidence.rsa_key("token")
    curve = ec.generate_private_key(ec.SECP256R1())
    root = tokens.issue("root", curve, is_ca=True, days=900)
    middle = tokens.issue("intermediate", ec.generate_private_key(ec.SECP256R1()), root, is_ca=True)
    leaf = tokens.issue("leaf", key, middle, may_sign=True)
    chain = {"alg": "RS256", "x5c": tokens.x5c(leaf, middle, root)}
    roots = Roots((Root(Anchors.GOOGLE_CONFIDENTIAL_SPACE, "test", root.der),))
    told = EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN
    pki = tokens.sign(key, chain, tokens.space_claims())
    crls = (tokens.revocation_list(middle),)
    yield Genuine(Evidence(told, pki), Endorsements(crls=crls), roots, tokens.NOW)
    oidc = [
        tokens.sign(key, {"alg": "RS256", "kid": "one"}, claims)
        for claims in (tokens.space_claims(), tokens.machine_claims())
    ]
    entry = tokens.numbers(key, kid="one", use="sig", alg="RS256")
    keys = Endorsements(jwks=tokens.key_set(entry))
    yield Genuine(Evidence(told, oidc[0]), keys, roots, tokens.NOW, (oidc[1],))
    yield _google_vtpm()


def _google_vtpm() -> Genuine:
    tpms = gce.virtual_tpms()
    key = tpm_evidence.ec_key("attestation key")
    certificate = tpms.certify(key)
    quoting = _quoting()
    crl = tpms.intermediate.revoke(begin=amd.NOW - _DAY, end=amd.NOW + _DAY)
    return Genuine(
        _tpm_evidence(EvidenceFormat.GOOGLE_VTPM, quoting, key),
        Endorsements(
            tuple(each.der for each in (certificate, tpms.intermediate, tpms.root)),
            (crl.public_bytes(Encoding.DER),),
        ),
        Roots((Root(Anchors.GOOGLE_VTPM, "test", tpms.root.der),)),
        amd.AT,
    )


def _maa() -> Iterator[Genuine]:
    key = tpm_evidence.rsa_key("token")
    header = {"alg": "RS256", "kid": "one", "jku": "https://elsewhere.invalid/certs"}
    made = (tokens.sgx_claims(), tokens.snp_claims(), tokens.azurevm_claims(tokens.tdx_claims()))
    raws = [tokens.sign(key, header, claims) for claims in made]
    entry = {"kty": "RSA", "kid": "one", "x5c": tokens.x5c(tokens.issue("provider", key))}
    yield Genuine(
        Evidence(EvidenceFormat.MAA_TOKEN, raws[0]),
        Endorsements(jwks=tokens.key_set(entry)),
        Roots(),
        tokens.NOW,
        tuple(raws[1:]),
    )
    # What the token is about, besides it.
    about = {Part.RUNTIME_DATA: b'{"key":"of the enclave"}', Part.HARDWARE_REPORT: b"a quote"}
    hashed = {part: hashlib.sha256(raw).hexdigest() for part, raw in about.items()}
    claims = tokens.sgx_claims(
        **{
            "x-ms-sgx-report-data": hashed[Part.RUNTIME_DATA] + "00" * 32,
            "x-ms-sgx-collateral": {"quotehash": hashed[Part.HARDWARE_REPORT]},
        }
    )
    yield Genuine(
        Evidence(EvidenceFormat.MAA_TOKEN, tokens.sign(key, header, claims), about),
        Endorsements(jwks=tokens.key_set(tokens.numbers(key, kid="one"))),
        Roots(),
        tokens.NOW,
    )


def _azure() -> Iterator[Genuine]:
    """Machines on SNP and on TDX, the TPM's key with a certificate and without."""
    snp = _snp(GENOA, VCEK, report_data=hcl_reports.report_data(azure_evidence.RUNTIME))
    above = Root(Anchors.AZURE_VTPM, "emulated", azure_evidence.ROOT.der)
    certified = (azure_evidence.ak_certificate().der, azure_evidence.CA.der)
    case = azure_evidence.Case(QuoteForm.TDX_V4)
    parts = {part: case.evidence.parts[part] for part in (Part.TPM_QUOTE, Part.TPM_SIGNATURE)}
    raw = hcl_reports.hcl_report(hcl_reports.SNP, snp.evidence.raw, azure_evidence.RUNTIME)
    yield Genuine(
        Evidence(EvidenceFormat.AZURE_HCL, raw, parts),
        Endorsements((*snp.endorsements.certificates, *certified)),
        Roots((*snp.roots.certificates, above)),
        snp.now,
    )
    roots = intel_evidence.roots_of(intel_evidence.vendor())
    yield Genuine(case.evidence, case.endorsements, roots, case.now)


def _tpm() -> Iterator[Genuine]:
    for key in (tpm_evidence.rsa_key("attestation"), tpm_evidence.ec_key("attestation")):
        yield Genuine(
            _tpm_evidence(
                EvidenceFormat.TPM_QUOTE, _quoting(), key, {Part.AK_PUBLIC: tpm_evidence.pem(key)}
            ),
            Endorsements(),
            Roots(keys=(PinnedKey(tpm_evidence.der(key)),)),
            int(TPM_NOW.timestamp()),
        )
    key = tpm_evidence.ec_key("certified")
    public = tpm_evidence.ec_public(key)
    root = make_certificate("maker", key=tpm_evidence.ec_key("maker"))
    certificate = root.issue("attestation key", key=key, is_ca=False, extensions=((AIK, False),))
    quoting = replace(_quoting(), signer=tpm_evidence.qualified_name(public))
    yield Genuine(
        _tpm_evidence(EvidenceFormat.TPM_QUOTE, quoting, key, {Part.AK_PUBLIC: public}),
        Endorsements((certificate.der,), (root.revoke().public_bytes(Encoding.DER),)),
        Roots((Root(Anchors.TPM, "test", root.der),)),
        int(TPM_NOW.timestamp()),
    )


def _quoting() -> tpm_evidence.Quoting:
    banks = ("sha256", "sha384")
    start = {bank: bytes(len(extended(bank)) - 1) + b"\3" for bank in banks}
    return tpm_evidence.Quoting(
        banks={bank: {0: start[bank], 4: extended(bank, b"loader", b"kernel")} for bank in banks}
    )


def _tpm_evidence(
    told: EvidenceFormat,
    quoting: tpm_evidence.Quoting,
    key: Any,
    more: Mapping[Part, bytes] | None = None,
) -> Evidence:
    parts = {
        Part.TPM_SIGNATURE: tpm_evidence.sign(key, quoting.attest),
        Part.PCR_VALUES: quoting.values,
        Part.EVENT_LOG: tpm_log(),
    }
    return Evidence(told, quoting.attest, parts | dict(more or {}))
