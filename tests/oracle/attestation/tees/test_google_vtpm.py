"""Quotes of Google's virtual TPMs: what genuine ones say, and for every step one that fails it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from oracle.attestation.claims import Claims, DebugState, Measurement, Tee
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, EvidenceFormat, Part
from oracle.attestation.findings import Unsigned
from oracle.attestation.roots import Anchors, Root, Roots
from oracle.attestation.tees import google_vtpm, show, verify
from oracle.devnet.silicon.amd import GENOA, VCEK
from tests.fakes.amd import AT, NOW, amd_roots, make_report, snp_endorsements, snp_evidence
from tests.fakes.event_logs import extended, log_event, log_header
from tests.fakes.gce import VirtualTpms, instance, properties, virtual_tpms
from tests.fakes.refusals import (
    assert_each_flip_is_refused,
    assert_each_step_has_a_case,
    assert_refused,
)
from tests.fakes.tpm_evidence import Quoting, der, ec_key, ec_public, registers, rsa_key, sign
from tests.fakes.x509_authority import END, Authority

_AK = ec_key("attestation key")
_SHA256 = ("sha256",)
_LOG = log_header(_SHA256) + log_event(4, b"boot loader", algorithms=_SHA256)
_MEASURED = {**registers(count=8), 4: extended("sha256", b"boot loader")}
_QUOTING = Quoting(banks={"sha256": _MEASURED})


@cache
def _google() -> VirtualTpms:
    return virtual_tpms()


@cache
def _certificate() -> Authority:
    return _google().certify(_AK)


@dataclass(frozen=True)
class _Case:
    """Evidence that is right but for what a test changes."""

    quoting: Quoting = _QUOTING
    key: Any = _AK
    certificates: tuple[Authority, ...] | None = None
    crls: tuple[bytes, ...] = ()
    parts: Mapping[Part, bytes] = field(default_factory=dict)

    @property
    def evidence(self) -> Evidence:
        raw = self.quoting.attest
        parts = {
            Part.TPM_SIGNATURE: sign(self.key, raw),
            Part.PCR_VALUES: self.quoting.values,
            Part.EVENT_LOG: _LOG,
            **self.parts,
        }
        return Evidence(
            EvidenceFormat.GOOGLE_VTPM, raw, {part: raw for part, raw in parts.items() if raw}
        )

    @property
    def endorsements(self) -> Endorsements:
        given = self.certificates
        if given is None:
            given = (_google().root, _google().intermediate, _certificate())
        amd = snp_endorsements(GENOA, VCEK).certificates
        return Endorsements((*amd, *(each.der for each in given)), self.crls)

    def verify(self, *anchors: Anchors) -> Claims:
        roots = tuple(
            Root(anchor, "test", _google().root.der) for anchor in anchors or (Anchors.GOOGLE_VTPM,)
        )
        trusted = Roots((*roots, *amd_roots(GENOA).certificates))
        return verify(self.evidence, self.endorsements, roots=trusted, now=AT)


def _on_hardware(report: bytes | None = None) -> _Case:
    """A quote that was asked for with the hash of an SNP report."""
    raw = report or snp_evidence(make_report(GENOA)).raw
    return _Case(
        quoting=replace(_QUOTING, nonce=hashlib.sha256(raw).digest()),
        parts={Part.HARDWARE_REPORT: raw},
    )


def _list(authority: Authority, *serials: int) -> bytes:
    day = timedelta(days=1)
    return authority.revoke(*serials, begin=NOW - day, end=NOW + day).public_bytes(Encoding.DER)


def _issued(certificate: Authority) -> tuple[Authority, ...]:
    return _google().intermediate, certificate


def test_a_quote_says_what_was_booted_and_where() -> None:
    claims = _Case().verify()
    assert (claims.format, claims.tee) == (EvidenceFormat.GOOGLE_VTPM, Tee.TPM)
    assert claims.root_id == Root(Anchors.GOOGLE_VTPM, "", _google().root.der).id
    assert claims.measurement("pcr4") == extended("sha256", b"boot loader")
    assert claims.measurements[-1].name == "pcr-digest"
    assert (claims.tcb, claims.debug, claims.issued_at) == (None, DebugState.UNKNOWN, None)
    assert claims.report_data == b"nonce of the caller"
    assert claims.expires_at == int(END.timestamp())
    named = ("zone", "project-id", "project-number", "instance-id", "instance-name")
    assert [claims.facts[name] for name in named] == ["us-central1-a", "p", 12, 2**63, "i"]
    assert claims.facts["nonce-present"] is True
    assert claims.facts["event-log-registers"] == "4"
    assert [entry.what for entry in claims.unchecked] == [
        "revocation of the certificate CN=2456411740904370986",
        "revocation of the certificate CN=EK/AK CA Intermediate",
        "hardware report",
    ]


def test_registers_and_log_may_be_missing() -> None:
    claims = _Case(parts={Part.PCR_VALUES: b"", Part.EVENT_LOG: b""}).verify()
    assert [measured.name for measured in claims.measurements] == ["pcr-digest"]
    assert [entry.what for entry in claims.unchecked][:2] == ["PCR values", "event log"]


@pytest.mark.parametrize("public", [der(_AK), ec_public(_AK)], ids=["spki", "tpmt-public"])
def test_a_given_key_is_found_among_several_certificates(public: bytes) -> None:
    given = (*_issued(_certificate()), _google().certify(rsa_key()))
    assert _Case(certificates=given, parts={Part.AK_PUBLIC: public}).verify().tee is Tee.TPM


def test_an_rsa_key_signs_as_well() -> None:
    given = _issued(_google().certify(rsa_key()))
    assert _Case(key=rsa_key(), certificates=given).verify().tee is Tee.TPM


def test_lists_are_checked() -> None:
    good = (_list(_google().root), _list(_google().intermediate))
    claims = _Case(crls=good).verify()
    assert [entry.what for entry in claims.unchecked] == ["hardware report"]
    serial = _google().intermediate.certificate.serial_number
    with pytest.raises(Unsigned, match=r"google-vtpm\.ak-chain.*revocation list"):
        _Case(crls=(_list(_google().root, serial),)).verify()


def test_a_bound_report_tells_what_protects_the_machine() -> None:
    case = _on_hardware()
    claims = case.verify()
    assert (claims.format, claims.tee) == (EvidenceFormat.GOOGLE_VTPM, Tee.SNP)
    hardware = claims.submodules["hardware"]
    assert hardware.format is EvidenceFormat.SNP_REPORT
    assert claims.report_data == hardware.report_data == bytes(range(64))
    assert claims.debug is hardware.debug is DebugState.DISABLED
    assert (claims.tcb, claims.hardware_id) == (hardware.tcb, hardware.hardware_id)
    assert claims.expires_at == int(END.timestamp())
    assert claims.root_id == Root(Anchors.GOOGLE_VTPM, "", _google().root.der).id
    assert hardware.root_id == amd_roots(GENOA).certificates[0].id
    assert claims.measurement("pcr4") == extended("sha256", b"boot loader")
    assert claims.unchecked[-1].what == "that report and TPM are of one machine"
    report = Evidence(EvidenceFormat.SNP_REPORT, case.parts[Part.HARDWARE_REPORT])
    assert show(case.evidence).children[-1] == show(report)


def _altered_report() -> bytes:
    report = bytearray(snp_evidence(make_report(GENOA)).raw)
    report[0x90] ^= 1
    return bytes(report)


def test_a_report_that_is_not_genuine_is_refused_by_its_own_step() -> None:
    with pytest.raises(Unsigned, match=r"step 9 google-vtpm\.hardware: .*snp\.signature"):
        _on_hardware(_altered_report()).verify()


def test_roots_of_other_services_do_not_count() -> None:
    with pytest.raises(Unsigned, match=r"google-vtpm\.ak-chain"):
        _Case().verify(Anchors.GOOGLE_CONFIDENTIAL_SPACE, Anchors.AZURE_VTPM)


#: For every step cases that fail it and nothing before it.
_BREAKS: dict[str, list[_Case]] = {
    "google-vtpm.format": [
        _Case(quoting=replace(_QUOTING, kind=0x8017)),
        _Case(parts={Part.TPM_SIGNATURE: b""}),
        _Case(parts={Part.PCR_VALUES: b"[]"}),
        _Case(parts={Part.AK_PUBLIC: b"\0"}),
    ],
    "google-vtpm.ak-chain": [
        _Case(certificates=(_certificate(),)),
        _Case(certificates=(_google().intermediate,)),
        _Case(certificates=(*_issued(_certificate()), _google().certify(rsa_key()))),
        _Case(certificates=_issued(_google().certify(_AK, end=NOW - timedelta(days=1)))),
        _Case(certificates=_issued(_google().certify(_AK, is_ca=True, usage=None))),
        _Case(certificates=_issued(_google().certify(_AK, instance(b"")))),
        _Case(certificates=(_certificate(),) * 65),
        _Case(parts={Part.AK_PUBLIC: der(ec_key("another"))}),
    ],
    "google-vtpm.instance": [
        _Case(certificates=_issued(_google().certify(_AK, instance(properties())))),
        _Case(certificates=_issued(_google().certify(_AK, b"")), parts={Part.AK_PUBLIC: der(_AK)}),
    ],
    "google-vtpm.signature": [_Case(key=ec_key("another")), _Case(key=rsa_key())],
    "google-vtpm.generated": [_Case(quoting=replace(_QUOTING, magic=0xFF544346))],
    "google-vtpm.registers": [
        _Case(parts={Part.PCR_VALUES: Quoting(banks={"sha256": registers(count=8)}).values})
    ],
    "google-vtpm.event-log": [
        _Case(parts={Part.EVENT_LOG: _LOG + log_event(4, b"more", algorithms=_SHA256)}),
        _Case(parts={Part.EVENT_LOG: b"\0"}),
    ],
    "google-vtpm.hardware-binding": [
        _Case(parts={Part.HARDWARE_REPORT: snp_evidence(make_report(GENOA)).raw}),
        _Case(parts={Part.HARDWARE_REPORT: _QUOTING.attest}),
        replace(_on_hardware(), quoting=replace(_QUOTING, nonce=b"")),
    ],
    "google-vtpm.hardware": [_on_hardware(_altered_report())],
}


def test_every_step_has_a_case_that_breaks_it() -> None:
    assert_each_step_has_a_case(google_vtpm.STEPS, _BREAKS)


@pytest.mark.parametrize(
    ("step", "case"),
    [(step, case) for step, cases in _BREAKS.items() for case in cases],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_evidence_is_refused_by_the_step_that_it_breaks(step: str, case: _Case) -> None:
    assert_refused(case.verify, step)


def test_no_changed_bit_is_accepted() -> None:
    case = _Case()
    good = case.evidence
    roots = Roots((Root(Anchors.GOOGLE_VTPM, "test", _google().root.der),))
    quote, signature = good.raw, good.parts[Part.TPM_SIGNATURE]

    def verified(raw: bytes) -> Claims:
        parts = {**good.parts, Part.TPM_SIGNATURE: raw[len(quote) :]}
        evidence = Evidence(good.format, raw[: len(quote)], parts)
        return verify(evidence, case.endorsements, roots=roots, now=AT)

    assert_each_flip_is_refused(quote + signature, verified, last=len(signature))


def test_a_quote_is_shown() -> None:
    names = [node.name for node in show(_Case().evidence).children]
    assert names[:2] == ["TPMS_ATTEST", "TPMT_SIGNATURE"]
    assert Measurement("pcr0", "sha256", registers()[0]) in _Case().verify().measurements
