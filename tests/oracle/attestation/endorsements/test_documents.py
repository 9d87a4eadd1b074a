"""Documents are put in order, and each is signed by a certificate beside it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from enclave.domain.errors import MalformedEvidence, SignatureInvalid
from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.dcap import parse_certificate
from oracle.attestation.codecs.pcs import SignedText
from oracle.attestation.endorsements.documents import (
    MAX_CERTIFICATES,
    Document,
    DocumentKind,
    Findings,
    assemble,
)
from oracle.devnet.silicon import der
from oracle.devnet.silicon.documents import make_crl
from oracle.devnet.silicon.pki import Authority, make_chain, make_platform
from oracle.devnet.silicon.vendor import SiliconVendor
from tests.fakes.pcs import AT, NOW
from tests.fakes.x509_authority import make_certificate

VENDOR = SiliconVendor(now=NOW)
NAMES = ("tcbInfo", "enclaveIdentity", "tcbEvaluationDataNumbers")


def findings(vendor: SiliconVendor = VENDOR) -> Findings:
    published, chain = vendor.collateral.publish(now=NOW), vendor.chain
    tdx = TeeKind.TDX
    texts = (published.tcb_info[tdx], published.qe_identity[tdx], published.numbers[tdx])
    return Findings(
        certificates=[chain.tcb_signer.der, chain.root.der, chain.platform_ca.der, chain.pck.der],
        crls=[published.pck_crl, published.root_crl],
        texts=list(zip(NAMES, texts, strict=True)),
    )


def _of(documents: tuple[Document, ...], kind: DocumentKind) -> Document:
    (found,) = (each for each in documents if each.kind is kind)
    return found


def test_each_kind_is_there_once_in_the_order_in_which_a_chain_takes_it() -> None:
    documents = assemble(findings())
    assert [each.kind for each in documents] == list(DocumentKind)


def test_a_document_knows_who_signed_it_and_its_dates() -> None:
    documents = assemble(findings())
    signer = parse_certificate(VENDOR.chain.tcb_signer.der).id
    info = _of(documents, DocumentKind.TCB_INFO)
    assert (info.issuer, info.issued_at, info.number) == (signer, AT, 17)
    assert info.ends_at == AT + 30 * 86_400
    assert info.raw == VENDOR.collateral.publish(now=NOW).tcb_info[TeeKind.TDX].text
    crl = _of(documents, DocumentKind.PCK_CRL)
    assert crl.issuer == parse_certificate(VENDOR.chain.platform_ca.der).id
    assert (crl.issued_at, crl.number, len(crl.digest)) == (AT, 1, 16)
    ca = _of(documents, DocumentKind.PCK_CA)
    certificate = VENDOR.chain.platform_ca.certificate
    assert ca.issued_at == int(certificate.not_valid_before_utc.timestamp())
    assert ca.ends_at == int(certificate.not_valid_after_utc.timestamp())
    assert (ca.number, ca.digest) == (None, b"")
    assert _of(documents, DocumentKind.NUMBERS).number is None


def test_a_certificate_too_many_is_refused_and_the_same_one_counts_once() -> None:
    found = findings()
    elsewhere = make_certificate("another root")
    room = MAX_CERTIFICATES - len(found.certificates)
    *others, last = (elsewhere.issue(str(number)).der for number in range(room + 1))
    found.certificates += others * 2
    assert [each.kind for each in assemble(found)] == list(DocumentKind)
    found.certificates.append(last)
    wanted = f"{MAX_CERTIFICATES + 1} certificates, wanted at most {MAX_CERTIFICATES}"
    with pytest.raises(MalformedEvidence, match=wanted):
        assemble(found)


def test_a_certificate_that_the_root_did_not_issue_is_left_out() -> None:
    kinds = [each.kind for each in assemble(findings())]
    assert kinds.count(DocumentKind.SIGNER) == 1


def test_of_two_documents_for_one_place_the_newer_is_taken() -> None:
    found = findings()
    later = VENDOR.collateral.publish(now=NOW + timedelta(days=1)).tcb_info[TeeKind.TDX]
    for texts in ([("tcbInfo", later), *found.texts], [*found.texts, ("tcbInfo", later)]):
        documents = assemble(replace(found, texts=texts))
        assert _of(documents, DocumentKind.TCB_INFO).raw == later.text


def test_places_differ_by_machine_tee_and_number() -> None:
    found = findings()
    sgx = VENDOR.collateral.publish(now=NOW).tcb_info[TeeKind.SGX]
    office = VENDOR.collateral
    higher = office.publish(now=NOW, number=18).tcb_info[TeeKind.TDX]
    found.texts += [("tcbInfo", sgx), ("tcbInfo", higher)]
    documents = [each for each in assemble(found) if each.kind is DocumentKind.TCB_INFO]
    assert len({each.place for each in documents}) == 3


@pytest.mark.parametrize("name", NAMES)
def test_a_text_that_nobody_here_signed_is_refused(name: str) -> None:
    found = findings()
    texts = dict(found.texts)
    altered = SignedText(texts[name].text, bytes(63) + b"\x01")
    with pytest.raises(SignatureInvalid, match="signed by none of 1 signing certificates"):
        assemble(replace(found, texts=[*(texts | {name: altered}).items()]))


def test_a_ca_signs_no_text() -> None:
    found = findings()
    text = found.texts[0][1].text
    der = VENDOR.chain.platform_ca.key.sign(text, ec.ECDSA(SHA256()))
    raw = b"".join(part.to_bytes(32, "big") for part in decode_dss_signature(der))
    with pytest.raises(SignatureInvalid):
        assemble(replace(found, texts=[("tcbInfo", SignedText(text, raw))]))


def test_a_list_that_its_issuer_did_not_sign_is_refused() -> None:
    found = findings()
    root = VENDOR.chain.root
    forged = Authority(root.certificate, VENDOR.chain.platform_ca.key)
    crl = make_crl(forged, [], now=NOW, life=timedelta(days=30))
    with pytest.raises(SignatureInvalid, match="signed by none of its issuers"):
        assemble(replace(found, crls=[crl]))


def test_a_signing_certificate_issues_no_list() -> None:
    found = findings()
    crl = make_crl(VENDOR.chain.tcb_signer, [], now=NOW, life=timedelta(days=30))
    with pytest.raises(SignatureInvalid):
        assemble(replace(found, crls=[crl]))


def test_two_roots_or_none_are_refused() -> None:
    found = findings()
    other = make_chain(make_platform(bytes), now=NOW)
    with pytest.raises(MalformedEvidence, match="2 root certificates, wanted 1"):
        assemble(replace(found, certificates=[*found.certificates, other.root.der]))
    with pytest.raises(MalformedEvidence, match="0 root certificates, wanted 1"):
        assemble(replace(found, certificates=[VENDOR.chain.tcb_signer.der]))


def _reissued(authority: Authority, issuer: Authority, old: bytes, new: bytes) -> bytes:
    """The certificate with other bytes in it, signed anew."""
    certificate = authority.certificate
    signed = certificate.tbs_certificate_bytes
    assert signed.count(old) == 1
    signed = signed.replace(old, new)
    signature = issuer.key.sign(signed, ec.ECDSA(SHA256()))
    algorithm = der.sequence(bytes.fromhex("06082a8648ce3d040302"))
    return der.sequence(signed, algorithm, der.tlv(0x03, b"\0" + signature))


def test_a_certificate_with_an_extension_twice_is_refused() -> None:
    found, chain = findings(), VENDOR.chain
    key_id, usage = bytes.fromhex("0603551d0e"), bytes.fromhex("0603551d0f")
    twice = _reissued(chain.tcb_signer, chain.root, key_id, usage)
    with pytest.raises(MalformedEvidence, match=r"Duplicate 2\.5\.29\.15 extension"):
        assemble(replace(found, certificates=[twice, chain.root.der]))


def test_a_certificate_with_an_unreadable_name_or_key_is_refused() -> None:
    found, chain = findings(), VENDOR.chain
    signer = chain.tcb_signer.certificate
    name = str(signer.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value).encode()
    curve, other = (bytes.fromhex(f"06082a8648ce3d0301{last}") for last in ("07", "7f"))
    for old, new in ((name, b"\xff" * len(name)), (curve, other)):
        ill = _reissued(chain.tcb_signer, chain.root, old, new)
        certificates = [ill, chain.platform_ca.der, chain.root.der]
        with pytest.raises(MalformedEvidence, match="cannot be read"):
            assemble(replace(found, certificates=certificates))


def test_a_key_of_another_curve_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    root = Authority(VENDOR.chain.root.certificate, key)
    name = root.certificate.subject
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .sign(key, SHA256())
    )
    crl = make_crl(Authority(certificate, key), [], now=NOW, life=timedelta(days=30))
    encoded = certificate.public_bytes(Encoding.DER)
    with pytest.raises(MalformedEvidence, match=r"not of P-256"):
        assemble(Findings(certificates=[encoded], crls=[crl]))


def test_a_document_says_in_a_few_words_what_it_is_of() -> None:
    assert [each.title for each in assemble(findings())] == [
        "root CRL",
        "TCB signing certificate",
        "PCK CA certificate",
        "PCK CRL",
        "evaluation numbers TDX",
        "TCB info TDX e0e000000000, number 17",
        "QE identity TDX, number 17",
    ]
