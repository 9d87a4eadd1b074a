"""Confidential VMs of an emulated Azure, on the emulated AMD and the emulated Intel."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography import x509

from enclave.domain.evidence import TeeKind
from oracle.attestation.claims import Claims
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, EvidenceFormat, Part
from oracle.attestation.roots import Anchors, Root, Roots
from oracle.attestation.tees import azure
from oracle.devnet.silicon.amd import GENOA, VCEK, Line, sign_report
from oracle.devnet.silicon.quotes import (
    TD_ATTRIBUTES,
    QuoteForm,
    td15_report_body,
    td_report_body,
)
from tests.fakes import tpm_evidence
from tests.fakes.amd import amd_roots, endorsed_key, make_report, snp_endorsements
from tests.fakes.hcl_reports import SNP, TDX, hcl_report, report_data, runtime_data, td_report
from tests.fakes.intel_evidence import NOW, collateral, roots_of, vendor
from tests.fakes.x509_authority import Authority, make_certificate

AK = tpm_evidence.rsa_key("attestation key")
EK = tpm_evidence.rsa_key("endorsement key")
RUNTIME = runtime_data(AK, EK)
AIK = x509.ExtendedKeyUsage([x509.ObjectIdentifier("2.23.133.8.3")])
ROOT = make_certificate("root of virtual TPMs")
CA = ROOT.issue("issuer of virtual TPMs", path_length=0)
MRTD = bytes(range(48))


def ak_certificate(key: Any = AK) -> Authority:
    """The certificate of an attestation key."""
    return CA.issue("virtual TPM", key=key, is_ca=False, extensions=((AIK, False),))


@cache
def trusted() -> Roots:
    """All the vendors' roots."""
    roots = (*amd_roots(GENOA).certificates, *roots_of(vendor()).certificates)
    return Roots((*roots, Root(Anchors.AZURE_VTPM, "emulated", ROOT.der)))


@cache
def _intel() -> dict[str, str]:
    return collateral(TeeKind.TDX)


@cache
def endorsements(form: QuoteForm | Line) -> Endorsements:
    """What the hardware's verifier needs."""
    if isinstance(form, Line):
        return snp_endorsements(form, VCEK)
    return Endorsements(intel=_intel())


def snp_report(data: bytes, **changes: Any) -> bytes:
    """The report that the paravisor of a Genoa machine gets."""
    report = make_report(GENOA, report_data=data, **changes)
    return sign_report(report, endorsed_key(GENOA, VCEK).key)


def td_body(form: QuoteForm, data: bytes, **changes: Any) -> bytes:
    """The body of a TDX quote."""
    body = td_report_body(td_attributes=TD_ATTRIBUTES, mrtd=MRTD, report_data=data, **changes)
    return td15_report_body(body) if form is QuoteForm.TDX_V5_TD15 else body


@dataclass(frozen=True)
class Case:
    """A confidential VM whose evidence passes, unless something is changed.

    Attributes:
        form: Of the TDX quote, or an AMD product line.
        runtime: JSON of the paravisor.
        data: What it has the hardware sign; right unless given.
        report: Changes of the SNP report.
        hcl: Changes of the HCL report.
        quoting: What the TPM quotes.
        key: What signs the quote.
        parts: Other parts, or None for none.
        brought: Further certificates.
    """

    form: QuoteForm | Line = GENOA
    runtime: bytes = RUNTIME
    data: bytes | None = None
    report: Mapping[str, Any] = field(default_factory=dict)
    hcl: Mapping[str, Any] = field(default_factory=dict)
    quoting: tpm_evidence.Quoting = field(default_factory=tpm_evidence.Quoting)
    key: Any = AK
    parts: Mapping[Part, bytes | None] = field(default_factory=dict)
    brought: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    now: int = NOW

    @property
    def evidence(self) -> Evidence:
        """The HCL report and its parts."""
        data = report_data(self.runtime) if self.data is None else self.data
        attest = self.quoting.attest
        parts: dict[Part, bytes | None] = {
            Part.TPM_QUOTE: attest,
            Part.TPM_SIGNATURE: tpm_evidence.sign(self.key, attest),
            Part.PCR_VALUES: self.quoting.values,
        }
        if isinstance(self.form, Line):
            raw = hcl_report(SNP, snp_report(data, **self.report), self.runtime, **self.hcl)
        else:
            body = td_body(self.form, data)
            raw = hcl_report(TDX, td_report(body), self.runtime, **self.hcl)
            parts[Part.TD_QUOTE] = vendor().sign_body(self.form, body)
        given = {part: content for part, content in (parts | dict(self.parts)).items() if content}
        return Evidence(EvidenceFormat.AZURE_HCL, raw, given)

    @property
    def endorsements(self) -> Endorsements:
        """Those of the hardware and what else was brought."""
        base = endorsements(self.form)
        return Endorsements((*base.certificates, *self.brought), self.crls, base.intel)

    def verify(self, evidence: Evidence | None = None) -> Claims:
        """By the verifier."""
        given = evidence or self.evidence
        return azure.verify(given, self.endorsements, roots=trusted(), now=self.now)
