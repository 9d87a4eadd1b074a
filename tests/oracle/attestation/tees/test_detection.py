"""What evidence is, by its first bytes and its claims."""

import base64
import json

import pytest

from enclave.domain.errors import MalformedEvidence
from oracle.attestation.evidence import EvidenceFormat
from oracle.attestation.findings import Malformed, Remedy
from oracle.attestation.tees import detect

INTEL = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
PROTECTED = bytes.fromhex("44a1013822")


def quote(tee_type: int) -> bytes:
    return b"\x04\x00\x02\x00" + tee_type.to_bytes(4, "little") + bytes(4) + INTEL + bytes(600)


def report(version: int, algorithm: int) -> bytes:
    return version.to_bytes(4, "little") + bytes(48) + algorithm.to_bytes(4, "little")


def token(claims: object) -> bytes:
    return b".".join((segment({"alg": "RS256"}), segment(claims), b"c2ln"))


def segment(value: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def cose(payload: bytes, before: bytes = b"\x84") -> bytes:
    body = b"\x59" + len(payload).to_bytes(2, "big") + payload
    return before + PROTECTED + b"\xa0" + body + b"\x40"


NITRO = b"\xa9\x69module_id"


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (quote(0), EvidenceFormat.SGX_QUOTE),
        (quote(0x81), EvidenceFormat.TDX_QUOTE),
        (report(2, 1), EvidenceFormat.SNP_REPORT),
        (report(5, 1), EvidenceFormat.SNP_REPORT),
        (b"HCLA\x02", EvidenceFormat.AZURE_HCL),
        (bytes.fromhex("ff54434780180022"), EvidenceFormat.TPM_QUOTE),
        (cose(NITRO), EvidenceFormat.NITRO_DOCUMENT),
        (cose(b"\xbf" + NITRO[1:]), EvidenceFormat.NITRO_DOCUMENT),
        (cose(NITRO, b"\xd2\x84"), EvidenceFormat.NITRO_DOCUMENT),
        (cose(b"\xaa\x0a\x58"), EvidenceFormat.PSA_TOKEN),
        (cose(b"\xaa\x3a\x00\x01\x24\xff", b"\xd2\x84"), EvidenceFormat.PSA_TOKEN),
        (cose(b"\xaa\x0a\x58", b"\xd1\x84"), EvidenceFormat.PSA_TOKEN),
        (bytes.fromhex("d9018fa219acca"), EvidenceFormat.CCA_TOKEN),
        (bytes.fromhex("d9038ba219acca"), EvidenceFormat.CCA_TOKEN),
        (bytes.fromhex("a219acca"), EvidenceFormat.CCA_TOKEN),
        (token({"x-ms-ver": "1.0"}), EvidenceFormat.MAA_TOKEN),
        (token({"swname": "CONFIDENTIAL_SPACE"}), EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN),
        (token({"hwmodel": "GCP_AMD_SEV"}), EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN),
    ],
)
def test_each_format_is_told_by_its_content(raw: bytes, wanted: EvidenceFormat) -> None:
    assert detect(raw) is wanted


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00",
        quote(0x82),
        report(1, 1),
        report(16, 1),
        report(3, 2),
        bytes.fromhex("ff54434780170022"),
        bytes.fromhex("a1016161"),
        bytes.fromhex("d90190a219acca"),
        bytes.fromhex("d38444a1013822a041a0"),
        bytes.fromhex("8344a1013822a041a0"),
        bytes.fromhex("8444a1013822a1"),
        bytes.fromhex("8444a1013822a04140"),
        bytes.fromhex("8444a1013822a0"),
        bytes.fromhex("8444a1013822a042a141"),
        bytes.fromhex("8401a041a0"),
        bytes.fromhex("9c"),
        bytes.fromhex("d9018f"),
        token({"iss": "https://elsewhere.example"}),
        token(["x-ms-ver"]),
        token({"x-ms-ver": "1.0"}) + b"." + b"x",
        b"a.!.c",
        b"a.YQ.c",
        b"a." + segment("x" * 70_000) + b".c",
        b"a." + base64.b64encode(b"[" * 20_000) + b".c",
    ],
)
def test_anything_else_is_of_no_format(raw: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        detect(raw)
    assert isinstance(caught.value, MalformedEvidence)
    assert caught.value.subject == "format of the evidence"
    assert caught.value.remedy is Remedy.RIGHT_FORMAT
    assert str(len(raw)) in caught.value.seen
