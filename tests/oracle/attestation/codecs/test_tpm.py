import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from enclave.domain.errors import MalformedEvidence
from oracle.attestation.codecs import tpm
from oracle.attestation.codecs.tree import Node
from oracle.attestation.findings import Malformed
from tests.fakes import tpm_evidence as fake
from tests.fakes.layouts import check_places, replaced, unnamed

RSA = fake.rsa_key()
EC = fake.ec_key()
BANKS = {"sha1": fake.registers("sha1", 3), "sha384": {7: fake.registers("sha384")[7]}}


def test_a_quote_is_decoded_field_by_field() -> None:
    quoting = fake.Quoting(banks=BANKS, clock=99, safe=0)
    assert tpm.parse_quote(quoting.attest) == tpm.Quote(
        magic=tpm.TPM_GENERATED,
        qualified_signer=quoting.signer,
        extra_data=b"nonce of the caller",
        clock_ms=99,
        reset_count=2,
        restart_count=1,
        is_clock_safe=False,
        firmware_version=0x2030_0101_0000_0001,
        selection=(tpm.Bank("sha1", (0, 1, 2)), tpm.Bank("sha384", (7,))),
        pcr_digest=tpm.pcr_digest(
            "sha256", {(bank, n): value for bank in BANKS for n, value in BANKS[bank].items()}
        ),
    )


def test_a_quote_may_have_no_nonce_and_no_registers() -> None:
    quote = tpm.parse_quote(fake.Quoting(banks={"sha256": {}}, nonce=b"").attest)
    assert (quote.extra_data, quote.selection) == (b"", (tpm.Bank("sha256", ()),))


def test_the_magic_is_for_the_verifier_to_judge() -> None:
    assert tpm.parse_quote(fake.Quoting(magic=0).attest).magic == 0


@pytest.mark.parametrize(
    ("show", "raw"),
    [
        (tpm.show_quote, fake.Quoting(banks=BANKS).attest),
        (tpm.show_signature, fake.sign(RSA, b"message")),
        (tpm.show_signature, fake.bare(fake.sign(RSA, b"message"))),
        (tpm.show_signature, fake.sign(EC, b"message")),
    ],
    ids=unnamed,
)
def test_trees_say_where_the_fields_are(show: Callable[[bytes], Node], raw: bytes) -> None:
    check_places(show(raw), raw)


_ATTEST = fake.Quoting(banks=BANKS).attest


_SELECTION = 4 + 2 + 2 + 34 + 2 + 19 + 17 + 8


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"", "magic"),
        (replaced(_ATTEST, 4, "8017"), "type"),
        (replaced(_ATTEST, 6, "0043"), "qualifiedSigner"),
        (replaced(_ATTEST, 42, "0043"), "extraData"),
        (replaced(_ATTEST, _SELECTION - 9, "02"), "safe"),
        (replaced(_ATTEST, _SELECTION, "00000000"), "pcrSelect count"),
        (replaced(_ATTEST, _SELECTION, "00000011"), "pcrSelect count"),
        (replaced(_ATTEST, _SELECTION, "ffffffff"), "pcrSelect count"),
        (replaced(_ATTEST, _SELECTION + 4, "0012"), "hash"),
        (replaced(_ATTEST, _SELECTION + 6, "04"), "sizeofSelect"),
        (replaced(_ATTEST, _SELECTION + 10, "0004"), "pcrSelect"),
        (fake.Quoting(digest=bytes(65)).attest, "pcrDigest"),
        (_ATTEST + b"\0", "end"),
        (_ATTEST[:-1], "pcrDigest"),
    ],
    ids=unnamed,
)
def test_other_quotes_are_refused_by_field(raw: bytes, field: str) -> None:
    with pytest.raises(Malformed) as refusal:
        tpm.parse_quote(raw)
    assert refusal.value.subject == f"TPMS_ATTEST {field}"


def test_every_truncation_is_refused() -> None:
    decoders: list[tuple[Callable[[bytes], Any], bytes]] = [
        (tpm.parse_quote, _ATTEST),
        (tpm.parse_signature, fake.sign(EC, b"message")),
    ]
    for decode, raw in decoders:
        for size in range(len(raw)):
            with pytest.raises(Malformed):
                decode(raw[:size])
        with pytest.raises(Malformed):
            decode(raw + b"\0")


@pytest.mark.parametrize("decode", [tpm.parse_quote, tpm.parse_signature])
def test_size_is_bounded(decode: Callable[[bytes], Any]) -> None:
    with pytest.raises(Malformed, match="at most"):
        decode(bytes(5000))


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_signatures_are_decoded(algorithm: str) -> None:
    signed = fake.sign(RSA, b"message", algorithm=algorithm)
    assert tpm.parse_signature(signed) == tpm.TpmSignature(
        tpm.Scheme.RSASSA, algorithm, fake.bare(signed)
    )
    signed = fake.sign(RSA, b"message", algorithm=algorithm, scheme=fake.RSAPSS)
    assert tpm.parse_signature(signed).scheme is tpm.Scheme.RSAPSS
    signed = fake.sign(EC, b"message", algorithm=algorithm)
    decoded = tpm.parse_signature(signed)
    assert (decoded.scheme, decoded.algorithm) == (tpm.Scheme.ECDSA, algorithm)
    r, s = decode_dss_signature(decoded.value)
    assert signed[6:38] == r.to_bytes(32, "big")
    assert signed[40:] == s.to_bytes(32, "big")


@pytest.mark.parametrize("size", [256, 384, 512])
def test_a_signature_as_long_as_a_modulus_is_bare(size: int) -> None:
    raw = bytes.fromhex("0018000b") * (size // 4)
    assert tpm.parse_signature(raw) == tpm.TpmSignature(tpm.Scheme.RSASSA, "sha256", raw)


@pytest.mark.parametrize(
    ("head", "field"),
    [
        ("0015000b", "sigAlg"),
        ("00140004", "hash"),
        ("0014000b0201", "sig"),
        ("0018000b0031", "signatureR"),
        ("0018000b000101ffff", "signatureS"),
    ],
)
def test_other_signatures_are_refused_by_field(head: str, field: str) -> None:
    with pytest.raises(Malformed) as refusal:
        tpm.parse_signature(bytes.fromhex(head) + bytes(600))
    assert refusal.value.subject == f"TPMT_SIGNATURE {field}"


_ONE = (tpm.Bank("sha256", (0, 2)),)
_TWO = (tpm.Bank("sha1", (1,)), tpm.Bank("sha512", ()), tpm.Bank("sha256", (0,)))
_H1, _H2 = "ab" * 20, "CD" * 32


@pytest.mark.parametrize(
    ("document", "selection", "values"),
    [
        ([_H2, "no value", _H2], _ONE, [("sha256", 0), ("sha256", 2)]),
        ({"2": _H2, "0": _H2, "1": 5}, _ONE, [("sha256", 0), ("sha256", 2)]),
        ({"sha256": [_H2] * 24}, _ONE, [("sha256", 0), ("sha256", 2)]),
        (
            {"sha256": {"0": _H2}, "sha1": {"1": _H1}, "sha384": 3},
            _TWO,
            [("sha1", 1), ("sha256", 0)],
        ),
        ({"sha1": 0}, (tpm.Bank("sha1", ()),), []),
    ],
)
def test_values_are_read_in_the_selections_order(
    document: Any, selection: tuple[tpm.Bank, ...], values: list[tuple[str, int]]
) -> None:
    read = tpm.parse_pcr_values(json.dumps(document).encode(), selection)
    wanted = {"sha1": bytes.fromhex(_H1), "sha256": bytes.fromhex(_H2)}
    assert list(read.items()) == [((bank, n), wanted[bank]) for bank, n in values]


@pytest.mark.parametrize(
    ("document", "selection", "subject"),
    [
        ([_H2], _ONE, "PCR values sha256 2"),
        ({"0": _H2}, _ONE, "PCR values sha256 2"),
        ({"0": _H1}, _ONE, "PCR values sha256 0"),
        ({"0": 5}, _ONE, "PCR values sha256 0"),
        ({"0": " " + _H2[1:]}, _ONE, "PCR values sha256 0"),
        ({"0": _H2 + "\n"}, _ONE, "PCR values sha256 0"),
        ({"sha1": {"0": _H1}}, _ONE, "PCR values sha256 0"),
        ("text", _ONE, "PCR values sha256 0"),
        ({"0": _H2}, _TWO, "PCR values"),
        ([_H2], (), "PCR values"),
    ],
)
def test_other_values_are_refused(
    document: Any, selection: tuple[tpm.Bank, ...], subject: str
) -> None:
    with pytest.raises(Malformed) as refusal:
        tpm.parse_pcr_values(json.dumps(document).encode(), selection)
    assert refusal.value.subject == subject


def test_values_are_shown_as_they_stand() -> None:
    shown = tpm.show_pcr_values(b'{"sha1":["aa",1]}')
    assert shown == Node(
        "PCR values",
        children=(Node("sha1", children=(Node("0", "aa"), Node("1", "1"))),),
    )


def test_flipped_bits_give_another_value_or_a_typed_error() -> None:
    for decode, raw in (
        (tpm.parse_quote, _ATTEST),
        (tpm.parse_signature, fake.sign(EC, b"message")),
        (partial(tpm.parse_pcr_values, selection=_ONE), fake.Quoting().values),
    ):
        for bit in range(0, len(raw) * 8, 5):
            flipped = bytearray(raw)
            flipped[bit // 8] ^= 1 << bit % 8
            try:
                decode(bytes(flipped))
            except MalformedEvidence:
                continue


def test_digests_are_over_values_in_order() -> None:
    first, second = ("sha256", 1), ("sha256", 0)
    values = {first: b"a", second: b"b"}
    assert tpm.pcr_digest("sha256", values) != tpm.pcr_digest(
        "sha256", dict(reversed(values.items()))
    )
    assert tpm.pcr_digest("sha384", values) == tpm.pcr_digest("sha384", {first: b"ab"})
    assert replace(fake.Quoting(), hash="sha384").attest != fake.Quoting().attest
