"""Quotes are taken apart to the last byte, or refused."""

import base64
import hashlib
import json
import os
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dcap_qvl
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from enclave.domain.errors import MalformedEvidence
from enclave.domain.evidence import TeeKind, image_id
from enclave.domain.report import keccak256
from oracle.attestation.codecs.dcap import parse_certificate, parse_pem_chain, split_quote
from oracle.devnet.silicon.vendor import SiliconVendor

TEES = [TeeKind.SGX, TeeKind.TDX]
BODY = {TeeKind.SGX: 384, TeeKind.TDX: 584}
VENDOR = SiliconVendor(now=datetime(2031, 6, 1, tzinfo=UTC))
QUOTES = {
    tee: VENDOR.quote(tee, measurement=bytes(range(48)), report_data=bytes(range(64)))
    for tee in TEES
}
PEM = VENDOR.chain.pem
VECTORS = os.environ.get("ORACLE_VECTORS")


def _with_chain(tee: TeeKind, pem: bytes) -> bytes:
    """The quote with another PEM chain, and every length to match."""
    raw = QUOTES[tee]
    at = raw.index(PEM)
    grown = len(pem) - len(PEM)
    altered = bytearray(raw[:at] + pem + raw[at + len(PEM) :])
    lengths = [48 + BODY[tee], at - 4]
    if tee is TeeKind.TDX:
        lengths.append(48 + BODY[tee] + 4 + 128 + 2)
    for where in lengths:
        (old,) = struct.unpack_from("<I", altered, where)
        struct.pack_into("<I", altered, where, old + grown)
    return bytes(altered)


@pytest.mark.parametrize("tee", TEES)
def test_a_quote_becomes_evidence_without_lengths_and_chain(tee: TeeKind) -> None:
    raw = QUOTES[tee]
    quote = split_quote(raw)
    size = BODY[tee]
    assert quote.tee is tee
    assert quote.body == raw[48 : 48 + size]
    assert quote.report_data == bytes(range(64))
    assert quote.image_id == image_id(tee, quote.body)
    assert quote.evidence[: 48 + size] == raw[: 48 + size]
    assert quote.evidence[48 + size : 48 + size + 128] == raw[52 + size : 52 + size + 128]
    assert len(quote.evidence) == 48 + size + 128 + 384 + 64 + 32
    assert quote.hints == quote.pck.id


@pytest.mark.parametrize("tee", TEES)
def test_certificates_are_named_by_their_signed_part(tee: TeeKind) -> None:
    quote = split_quote(QUOTES[tee])
    chain = VENDOR.chain
    for seen, wanted in (
        (quote.pck, chain.pck),
        (quote.ca, chain.platform_ca),
        (quote.root, chain.root),
    ):
        assert seen.der == wanted.der
        assert seen.id == keccak256(wanted.certificate.tbs_certificate_bytes)


@pytest.mark.parametrize("tee", TEES)
def test_a_drivers_buffer_of_zeros_is_left_out(tee: TeeKind) -> None:
    assert split_quote(QUOTES[tee] + bytes(3000)) == split_quote(QUOTES[tee])


@pytest.mark.parametrize("tee", TEES)
def test_other_bytes_after_the_quote_are_refused(tee: TeeKind) -> None:
    with pytest.raises(MalformedEvidence, match="not zero"):
        split_quote(QUOTES[tee] + bytes(10) + b"\x01")


@pytest.mark.parametrize("tee", TEES)
def test_a_quote_cut_anywhere_is_refused(tee: TeeKind) -> None:
    raw = QUOTES[tee]
    for size in (*range(0, len(raw), 97), len(raw) - 1):
        with pytest.raises(MalformedEvidence):
            split_quote(raw[:size])


def test_a_file_larger_than_any_quote_is_refused() -> None:
    with pytest.raises(MalformedEvidence, match="wanted at most 16384"):
        split_quote(QUOTES[TeeKind.SGX] + bytes(16_384))


@pytest.mark.parametrize(
    "head",
    [
        "0200020000000000",
        "0500020081000000",
        "0300030000000000",
        "0300020081000000",
        "0400020000000000",
    ],
)
def test_other_kinds_of_quote_are_refused(head: str) -> None:
    with pytest.raises(MalformedEvidence, match=f"begins {head}"):
        split_quote(bytes.fromhex(head) + QUOTES[TeeKind.SGX][8:])


def test_other_certification_data_is_refused() -> None:
    tdx = bytearray(QUOTES[TeeKind.TDX])
    tdx[48 + 584 + 4 + 128] = 5
    with pytest.raises(MalformedEvidence, match="type 5, wanted 6"):
        split_quote(bytes(tdx))
    sgx = bytearray(QUOTES[TeeKind.SGX])
    sgx[sgx.index(PEM) - 6] = 3
    with pytest.raises(MalformedEvidence, match="type 3, wanted 5"):
        split_quote(bytes(sgx))


@pytest.mark.parametrize("tee", TEES)
def test_bytes_inside_the_signature_data_are_not_left_over(tee: TeeKind) -> None:
    raw = bytearray(QUOTES[tee])
    where = 48 + BODY[tee]
    (size,) = struct.unpack_from("<I", raw, where)
    struct.pack_into("<I", raw, where, size + 1)
    with pytest.raises(MalformedEvidence, match="1 bytes left over"):
        split_quote(bytes(raw) + b"\0")


def test_bytes_after_the_inner_chain_are_not_left_over() -> None:
    raw = bytearray(QUOTES[TeeKind.TDX])
    for where in (48 + 584, 48 + 584 + 4 + 128 + 2):
        (size,) = struct.unpack_from("<I", raw, where)
        struct.pack_into("<I", raw, where, size + 1)
    with pytest.raises(MalformedEvidence, match="certification data has 1 bytes left over"):
        split_quote(bytes(raw) + b"\0")


def test_authentication_data_is_limited() -> None:
    raw = bytearray(QUOTES[TeeKind.SGX])
    struct.pack_into("<H", raw, 48 + 384 + 4 + 128 + 384 + 64, 1025)
    with pytest.raises(MalformedEvidence, match="1025 bytes, wanted <= 1024"):
        split_quote(bytes(raw))


@pytest.mark.parametrize("tee", TEES)
def test_a_chain_is_of_three_certificates(tee: TeeKind) -> None:
    parts = PEM.removesuffix(b"\0").split(b"-----END CERTIFICATE-----\n")
    blocks = [part + b"-----END CERTIFICATE-----\n" for part in parts[:-1]]
    for count in (0, 1, 2, 4):
        pem = b"".join((blocks * 2)[:count])
        with pytest.raises(MalformedEvidence, match=f"chain of {count} certificates, wanted 3"):
            split_quote(_with_chain(tee, pem))


@pytest.mark.parametrize("tee", TEES)
def test_line_ends_and_the_closing_nul_may_vary(tee: TeeKind) -> None:
    plain = PEM.removesuffix(b"\0")
    for pem in (plain, plain.rstrip(b"\n"), plain.replace(b"\n", b"\r\n") + b"\0"):
        assert split_quote(_with_chain(tee, pem)) == split_quote(QUOTES[tee])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"-----BEGIN CERTIFICATE-----\n", b"text\n-----BEGIN CERTIFICATE-----\n", "other text"),
        (b"BEGIN CERTIFICATE", b"BEGIN PUBLIC KEY!", "other text"),
        (b"\nMII", b"\n=II", "not base64"),
        (b"\nMII", b"\nAII", "not a DER certificate"),
        (b"\nMII", b"\n\xffII", "not ASCII"),
        (b"\n", b"\0\n", "other text"),
    ],
)
def test_other_text_in_the_chain_is_refused(old: bytes, new: bytes, said: str) -> None:
    with pytest.raises(MalformedEvidence, match=said):
        parse_pem_chain(PEM.replace(old, new, 1))


def test_only_one_nul_may_close_the_chain() -> None:
    with pytest.raises(MalformedEvidence, match="other text"):
        parse_pem_chain(PEM + b"\0")


def test_a_certificate_is_limited() -> None:
    with pytest.raises(MalformedEvidence, match="wanted <= 4096"):
        parse_certificate(bytes(4097))


def test_bytes_after_a_certificate_are_refused() -> None:
    with pytest.raises(MalformedEvidence, match="not a DER certificate"):
        parse_certificate(VENDOR.chain.pck.der + b"\0")


@given(st.binary(max_size=2000))
def test_noise_is_refused_with_a_typed_error(noise: bytes) -> None:
    for tee in TEES:
        with pytest.raises(MalformedEvidence):
            split_quote(QUOTES[tee][:8] + noise)
    with pytest.raises(MalformedEvidence):
        parse_certificate(noise)


@given(st.sampled_from(TEES), st.data())
def test_an_altered_byte_is_refused_or_shows(tee: TeeKind, data: st.DataObject) -> None:
    raw = QUOTES[tee]
    where = data.draw(st.integers(0, len(raw) - 1))
    value = data.draw(st.integers(1, 255))
    altered = raw[:where] + bytes((raw[where] ^ value,)) + raw[where + 1 :]
    try:
        seen = split_quote(altered)
    except MalformedEvidence:
        return
    assert seen != split_quote(raw)


def _recorded() -> Iterator[tuple[Path, dict[str, Any]]]:
    for tee in ("sgx", "tdx") if VECTORS else ():
        folder = Path(str(VECTORS)) / tee
        for case in json.loads((folder / "manifest.json").read_text()):
            if case["role"] == "evidence":
                yield folder / case["file"], case


@pytest.mark.skipif(VECTORS is None, reason="ORACLE_VECTORS is not set")
@pytest.mark.parametrize(
    ("path", "case"), tuple(_recorded()), ids=lambda value: getattr(value, "name", "")
)
def test_recorded_quotes_are_split_as_the_reference_parser_reads_them(
    path: Path, case: dict[str, Any]
) -> None:
    raw = path.read_bytes()
    assert hashlib.sha256(raw).hexdigest() == case["sha256"]
    if raw[:2] not in (b"\x03\0", b"\x04\0") or b"-----BEGIN" not in raw:
        # Version 5 and encrypted PPIDs are other formats.
        with pytest.raises(MalformedEvidence):
            split_quote(raw)
        return
    quote = split_quote(raw)
    read = dcap_qvl.parse_quote(raw)
    assert quote.tee is (TeeKind.TDX if read.is_tdx() else TeeKind.SGX)
    assert quote.report_data == read.report.report_data
    pem = (read.cert_chain_pem_bytes() or b"").rstrip(b"\0")
    wanted = [c.public_bytes(Encoding.DER) for c in x509.load_pem_x509_certificates(pem)]
    assert [quote.pck.der, quote.ca.der, quote.root.der] == wanted
    digest = hashlib.sha256(_attestation_key(quote.evidence, len(quote.body))).digest()
    assert quote.evidence[48 + len(quote.body) + 128 + 320 :][:32] == digest


def _attestation_key(evidence: bytes, body_size: int) -> bytes:
    """Attestation key and authentication data: what the QE report's data is the hash of."""
    tail = evidence[48 + body_size :]
    return tail[64:128] + tail[576:]


def test_base64_has_no_unused_bits() -> None:
    assert base64.b64decode("AB==") == base64.b64decode("AA==")
    with pytest.raises(MalformedEvidence, match="canonical"):
        parse_pem_chain(b"-----BEGIN CERTIFICATE-----\nAB==\n-----END CERTIFICATE-----\n")


def test_a_carriage_return_ends_no_line() -> None:
    with pytest.raises(MalformedEvidence, match="other text"):
        parse_pem_chain(PEM.replace(b"-----\n-----", b"-----\r-----", 1))
