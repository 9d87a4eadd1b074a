"""What is asked of vendors' services, and what counts as an answer."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from enclave.domain.errors import MalformedEvidence
from oracle.attestation.codecs.strict_json import MAX_MARKS
from oracle.attestation.endorsements.services import (
    GOOGLE_KEYS,
    Question,
    ReplyKind,
    questions,
    read_reply,
)
from oracle.attestation.evidence import Evidence, EvidenceFormat
from oracle.devnet.silicon.amd import GENOA, MILAN, TURIN, VLEK, Levels, Line
from tests.fakes import tokens
from tests.fakes.amd import LEVELS, hwid, make_report
from tests.fakes.hcl_reports import SNP, TDX, hcl_report
from tests.fakes.x509_authority import END, NOW, make_certificate

KDS = "https://kdsintf.amd.com"


def snp(line: Line, version: int = 3, **changes: object) -> Evidence:
    report = make_report(line, version, **changes).encode()
    return Evidence(EvidenceFormat.SNP_REPORT, report + bytes(1184 - len(report)))


def urls(evidence: Evidence, *certificates: bytes) -> list[str]:
    return [question.url for question in questions(evidence, certificates)]


def token(kind: EvidenceFormat, claims: dict[str, object], **header: object) -> Evidence:
    return Evidence(kind, tokens.sign(tokens.rsa_key(), {"alg": "RS256", **header}, claims))


def test_amd_is_asked_for_the_chips_certificate_its_issuers_and_their_list() -> None:
    levels = f"blSPL=04&teeSPL=01&snpSPL=24&ucodeSPL={LEVELS.microcode}"
    assert urls(snp(GENOA)) == [
        f"{KDS}/vcek/v1/Genoa/{hwid(GENOA).hex()}?{levels}",
        f"{KDS}/vcek/v1/Genoa/cert_chain",
        f"{KDS}/vcek/v1/Genoa/crl",
    ]


def test_turins_chips_have_short_names_and_one_level_more() -> None:
    report = snp(TURIN, levels=Levels(bootloader=1, tee=2, snp=3, microcode=4, fmc=5))
    name = f"{hwid(TURIN).hex()}?fmcSPL=05&blSPL=01&teeSPL=02&snpSPL=03&ucodeSPL=04"
    assert urls(report)[0] == f"{KDS}/vcek/v1/Turin/{name}"


def test_of_an_old_report_both_lines_are_asked_for_and_either_will_do() -> None:
    asked = questions(snp(MILAN, 2))
    assert [question.url.split("/")[5] for question in asked] == ["Milan"] * 3 + ["Genoa"] * 3
    chips = [question for question in asked if question.kind is ReplyKind.CERTIFICATE]
    assert [question.is_needed for question in chips] == [False, False]


def test_a_providers_key_is_not_amds_to_give() -> None:
    assert urls(snp(GENOA, signing_key=VLEK)) == [
        f"{KDS}/vlek/v1/Genoa/cert_chain",
        f"{KDS}/vlek/v1/Genoa/crl",
    ]


def test_azures_machines_on_amd_are_asked_for_like_others() -> None:
    raw = hcl_report(SNP, snp(GENOA).raw, b"{}")
    assert urls(Evidence(EvidenceFormat.AZURE_HCL, raw)) == urls(snp(GENOA))
    raw = hcl_report(TDX, bytes(1024), b"{}")
    assert urls(Evidence(EvidenceFormat.AZURE_HCL, raw)) == []


def test_tokens_that_bring_no_keys_have_their_issuers_asked() -> None:
    space = EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN
    assert urls(token(space, tokens.space_claims(), kid="one")) == [GOOGLE_KEYS]
    assert urls(token(space, tokens.space_claims(), x5c=["AA=="])) == []
    issuer = "https://sharedeus.eus.attest.azure.net"
    asked = token(EvidenceFormat.MAA_TOKEN, {"iss": issuer, "x-ms-ver": "1.0"})
    assert urls(asked) == [f"{issuer}/certs"]


@pytest.mark.parametrize("issuer", ["https://evil.example", None, 5, "http://sharedeus.eus"])
def test_no_other_issuer_is_asked(issuer: object) -> None:
    with pytest.raises(MalformedEvidence, match="wanted a shared provider"):
        questions(token(EvidenceFormat.MAA_TOKEN, {"iss": issuer, "x-ms-ver": "1.0"}))


@pytest.mark.parametrize("kind", [EvidenceFormat.NITRO_DOCUMENT, EvidenceFormat.CCA_TOKEN])
def test_what_brings_all_it_needs_asks_nobody(kind: EvidenceFormat) -> None:
    assert questions(Evidence(kind, b"")) == ()


def certificate(*points: str) -> bytes:
    names = [x509.UniformResourceIdentifier(point) for point in points]
    lists = x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None)])
    return make_certificate("a key", extensions=[(lists, False)]).der


NITRO = Evidence(EvidenceFormat.NITRO_DOCUMENT, b"")


def test_lists_of_issuers_are_asked_for_once_and_at_known_places_only() -> None:
    known = "http://privateca-content-1.storage.googleapis.com/2/crl.crl"
    other = "https://www.microsoft.com/pkiops/crl/a.crl"
    strange = (
        "http://169.254.169.254/latest",
        "http://storage.googleapis.com.evil.example/a",
        "ldap://www.microsoft.com/a",
        "http://www.microsoft.com:22/a",
        "http://www.microsoft.com:x/a",
        "http://[::1/a",
        "file:///etc/passwd",
    )
    asked = questions(NITRO, [certificate(known, *strange), certificate(other, known)])
    assert [(question.url, question.file) for question in asked] == [
        (known, "issuer-0.crl"),
        (other, "issuer-1.crl"),
    ]
    assert not any(question.is_needed for question in asked)


def test_certificates_without_such_a_place_ask_nothing() -> None:
    relative = x509.RelativeDistinguishedName(
        [x509.NameAttribute(x509.NameOID.COMMON_NAME, "list")]
    )
    point = x509.DistributionPoint(None, relative, None, None)
    lists = x509.CRLDistributionPoints([point])
    odd = make_certificate("a key", extensions=[(lists, False)]).der
    assert urls(NITRO, odd, make_certificate("another").der) == []


def question(kind: ReplyKind) -> Question:
    return Question("https://a", kind, "a file")


def test_replies_are_kept_until_the_first_of_them_ends() -> None:
    root = make_certificate("root")
    leaf = root.issue("leaf", is_ca=False, end=END - timedelta(days=9))
    pem = b"".join(each.certificate.public_bytes(Encoding.PEM) for each in (leaf, root))
    crl = root.revoke(5, begin=NOW, end=NOW + timedelta(days=3)).public_bytes(Encoding.DER)
    end = int(END.timestamp())
    assert read_reply(question(ReplyKind.CERTIFICATE), root.der) == end
    assert read_reply(question(ReplyKind.CHAIN), pem) == end - 9 * 86_400
    assert read_reply(question(ReplyKind.CRL), crl) == int(NOW.timestamp()) + 3 * 86_400
    assert read_reply(question(ReplyKind.KEYS), b'{"keys": []}') is None


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (ReplyKind.CERTIFICATE, b"<html>"),
        (ReplyKind.CHAIN, b"<html>"),
        (ReplyKind.CHAIN, b""),
        (ReplyKind.CRL, b"<html>"),
        (ReplyKind.KEYS, b"<html>"),
        (ReplyKind.KEYS, b"[" * 10_000),
        (ReplyKind.KEYS, b'{"keys": [' + b"1," * MAX_MARKS + b"1]}"),
        (ReplyKind.KEYS, b"[]"),
        (ReplyKind.KEYS, b'{"keys": 5}'),
    ],
)
def test_other_replies_are_refused(kind: ReplyKind, body: bytes) -> None:
    with pytest.raises(MalformedEvidence):
        read_reply(question(kind), body)
