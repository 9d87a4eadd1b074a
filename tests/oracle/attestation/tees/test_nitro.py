"""Nitro documents: what each step of the verifier refuses, and what genuine ones claim."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding

from oracle.attestation.claims import Claims, DebugState, Tee
from oracle.attestation.codecs.tree import Node
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, EvidenceFormat
from oracle.attestation.findings import Expired, Malformed, Refusal, Unsigned
from oracle.attestation.roots import Anchors, Root, Roots, vendor_roots
from oracle.attestation.tees import nitro
from oracle.devnet.silicon.nitro import (
    NitroModule,
    Request,
    make_module,
    make_signer,
    sign_document,
)
from oracle.devnet.silicon.pki import Authority
from tests.fakes.refusals import (
    assert_each_flip_is_refused,
    assert_each_step_has_a_case,
    assert_refused,
)

_NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_AT = int(_NOW.timestamp())
_PCRS = {0: b"\x10" * 48, 1: b"\x11" * 48, 2: b"\x12" * 48, 8: b"\x18" * 48}
_REQUEST = Request(public_key=b"a key", user_data=b"report data", nonce=b"a nonce")
_MODULE = make_module(now=_NOW)
_OTHER = make_module(now=_NOW)
_DOCUMENT = _MODULE.document(_PCRS, _REQUEST, now=_NOW)


def _roots(module: NitroModule) -> Roots:
    return Roots((Root(Anchors.AWS_NITRO, "emulated AWS", module.root.der),))


def _verify(
    raw: bytes,
    *,
    now: int = _AT,
    roots: Roots | None = None,
    endorsements: Endorsements | None = None,
) -> Claims:
    return nitro.verify(
        Evidence(EvidenceFormat.NITRO_DOCUMENT, raw),
        endorsements or Endorsements(),
        roots=roots or _roots(_MODULE),
        now=now,
    )


def _fields(raw: bytes = _DOCUMENT) -> dict[str, Any]:
    return dict(cbor2.loads(cbor2.loads(raw)[2]))


def _signed(
    changes: Mapping[str, Any], module: NitroModule = _MODULE, **headers: Mapping[int, Any]
) -> bytes:
    """The document with other fields, signed again; None removes a field, `cbor2.undefined` too."""
    fields = {
        name: value
        for name, value in (_fields() | dict(changes)).items()
        if value is not cbor2.undefined
    }
    return sign_document(cbor2.dumps(fields), module.signer.key, **headers)


def _with_signer(usage: x509.KeyUsage) -> bytes:
    signer = make_signer(_MODULE.module_id, _MODULE.issuers[-1], now=_NOW, usage=usage)
    return _signed({"certificate": signer.der}, NitroModule("i", _MODULE.issuers, signer))


def _usage(**changes: bool) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement"
        " key_cert_sign crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**(dict.fromkeys(names.split(), False) | changes))


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _flip(raw: bytes, at: int, bit: int = 0) -> bytes:
    changed = bytearray(raw)
    changed[at] ^= 1 << bit
    return bytes(changed)


@dataclass(frozen=True)
class _Broken:
    """Evidence that passes every step but one."""

    raw: bytes
    kind: type[Refusal]
    now: int = _AT
    roots: Roots | None = None


_BROKEN = {
    nitro.ENVELOPE: _Broken(_signed({}, protected={1: -7}), Malformed),
    nitro.DOCUMENT: _Broken(_signed({"digest": "SHA256"}), Malformed),
    nitro.ROOT: _Broken(_DOCUMENT, Unsigned, roots=_roots(_OTHER)),
    nitro.CHAIN: _Broken(_DOCUMENT, Expired, now=_AT + 3 * 3600 + 1),
    nitro.SIGNER: _Broken(_with_signer(_usage(key_agreement=True)), Unsigned),
    nitro.SIGNATURE: _Broken(_flip(_DOCUMENT, len(_DOCUMENT) - 1), Unsigned),
    nitro.TIME: _Broken(_signed({"timestamp": _ms(_NOW - timedelta(seconds=4))}), Expired),
}


def test_every_step_has_a_case_that_breaks_it() -> None:
    assert_each_step_has_a_case(nitro.STEPS, _BROKEN)


@pytest.mark.parametrize("step", nitro.STEPS, ids=lambda step: step.name)
def test_each_step_refuses_what_breaks_only_it(step: Any) -> None:
    broken = _BROKEN[step]
    verify = partial(_verify, broken.raw, now=broken.now, roots=broken.roots)
    assert_refused(verify, step, broken.kind)


def test_a_genuine_document_claims_what_it_says() -> None:
    claims = _verify(_DOCUMENT)
    assert claims.format is EvidenceFormat.NITRO_DOCUMENT
    assert claims.tee is Tee.NITRO
    assert claims.root_id == _roots(_MODULE).certificates[0].id
    assert [one.name for one in claims.measurements] == [f"pcr{number}" for number in range(16)]
    assert {one.algorithm for one in claims.measurements} == {"sha384"}
    assert [claims.measurement(f"pcr{n}") for n in (0, 1, 2, 3, 8)] == [
        *(_PCRS[n] for n in (0, 1, 2)),
        bytes(48),
        _PCRS[8],
    ]
    assert claims.debug is DebugState.DISABLED
    assert (claims.tcb, claims.hardware_id, claims.submodules) == (None, b"", {})
    assert claims.report_data == b"report data"
    assert claims.issued_at == _AT
    assert claims.expires_at == _AT + 3 * 3600
    assert claims.facts == {
        "document": "enclave",
        "module-id": _MODULE.module_id,
        "timestamp-ms": _AT * 1000,
        "digest": "SHA384",
        "cose-alg": -35,
        "pcr-count": 16,
        "chain-len": 5,
        "certificate-begins-at": _AT - 3,
        "certificate-ends-at": _AT + 3 * 3600,
        "public-key": b"a key",
        "user-data": b"report data",
        "nonce": b"a nonce",
    }
    assert [one.what for one in claims.unchecked] == ["revocation of AWS's certificates"]


def test_fields_that_are_null_or_absent_are_no_facts() -> None:
    for raw in (
        _MODULE.document(_PCRS, Request(), now=_NOW),
        _signed(dict.fromkeys(("public_key", "user_data", "nonce"), cbor2.undefined)),
    ):
        claims = _verify(raw)
        assert claims.report_data == b""
        assert not {"public-key", "user-data", "nonce"} & set(claims.facts)


def test_a_map_of_indefinite_length_and_a_tag_are_read() -> None:
    plain = cbor2.dumps(_fields())
    open_map = b"\xbf" + plain[1:] + b"\xff"
    assert _verify(sign_document(open_map, _MODULE.signer.key)) == _verify(_DOCUMENT)
    assert _verify(b"\xd2" + _DOCUMENT) == _verify(_DOCUMENT)


def test_an_enclave_in_debug_mode_claims_so() -> None:
    claims = _verify(_MODULE.document({4: b"\x14" * 48}, _REQUEST, now=_NOW))
    assert claims.debug is DebugState.ENABLED


def test_without_the_images_register_nothing_is_known_of_debug_mode() -> None:
    claims = _verify(_signed({"pcrs": {31: bytes(48), 1: b"\x11" * 48}}))
    assert [one.name for one in claims.measurements] == ["pcr1", "pcr31"]
    assert claims.measurement("pcr0") is None
    assert claims.debug is DebugState.UNKNOWN
    assert "debug state" in [one.what for one in claims.unchecked]


def test_a_document_of_an_instance_cannot_pass_for_an_enclaves() -> None:
    raw = _MODULE.document(_PCRS, _REQUEST, now=_NOW, pcrs_field="nitrotpm_pcrs")
    claims = _verify(raw)
    assert claims.tee is Tee.TPM
    assert claims.facts["document"] == "nitrotpm"
    assert claims.debug is DebugState.UNKNOWN
    assert claims.measurement("pcr0") is None
    assert claims.measurement("nitrotpm-pcr8") == _PCRS[8]
    assert "debug state" in [one.what for one in claims.unchecked]


def test_the_limits_of_optional_fields_are_those_of_each_kind_of_document() -> None:
    _verify(_signed({"public_key": bytes(1024), "user_data": bytes(512), "nonce": bytes(512)}))
    longest = _signed(
        {
            "pcrs": cbor2.undefined,
            "nitrotpm_pcrs": _fields()["pcrs"],
            **dict.fromkeys(("public_key", "user_data", "nonce"), bytes(1024)),
        }
    )
    assert _verify(longest).report_data == bytes(1024)


@pytest.mark.parametrize(
    "changes",
    [
        {"module_id": ""},
        {"module_id": b"bytes"},
        {"module_id": cbor2.undefined},
        {"digest": "SHA512"},
        {"timestamp": 0},
        {"timestamp": 253_402_300_800_000},
        {"timestamp": -1},
        {"timestamp": "now"},
        {"timestamp": True},
        {"pcrs": cbor2.undefined},
        {"pcrs": {}},
        {"pcrs": [bytes(48)]},
        {"pcrs": {32: bytes(48)}},
        {"pcrs": {-1: bytes(48)}},
        {"pcrs": {"0": bytes(48)}},
        {"pcrs": {0: bytes(32)}},
        {"pcrs": {0: None}},
        {"nitrotpm_pcrs": {0: bytes(48)}},
        {"certificate": b""},
        {"certificate": bytes(1025)},
        {"cabundle": []},
        {"cabundle": [b"\x30"] * 8},
        {"cabundle": {0: b"\x30"}},
        {"cabundle": [bytes(1025)]},
        {"public_key": b""},
        {"public_key": bytes(1025)},
        {"user_data": bytes(513)},
        {"user_data": "text"},
        {"nonce": bytes(513)},
        {"extra": 1},
    ],
    ids=str,
)
def test_a_field_outside_its_limits_is_refused(changes: Mapping[str, Any]) -> None:
    with pytest.raises(Malformed) as refusal:
        _verify(_signed(changes))
    assert refusal.value.step == nitro.DOCUMENT


def test_a_payload_that_is_too_long_or_no_map_is_refused() -> None:
    for payload in (cbor2.dumps({"user_data": bytes(nitro.MAX_PAYLOAD)}), b"\x80"):
        with pytest.raises(Malformed) as refusal:
            _verify(sign_document(payload, _MODULE.signer.key))
        assert refusal.value.step == nitro.DOCUMENT


def test_a_header_that_nothing_signs_is_refused() -> None:
    with pytest.raises(Malformed) as refusal:
        _verify(_signed({}, unprotected={4: b"kid"}))
    assert refusal.value.step == nitro.ENVELOPE


def test_without_a_trusted_root_nothing_is_genuine() -> None:
    with pytest.raises(Unsigned, match="none is configured") as refusal:
        _verify(_DOCUMENT, roots=Roots())
    assert refusal.value.step == nitro.ROOT


def test_the_vendors_root_does_not_anchor_an_emulated_document() -> None:
    with pytest.raises(Unsigned) as refusal:
        _verify(_DOCUMENT, roots=Roots(vendor_roots()))
    assert refusal.value.step == nitro.ROOT


def _reordered(order: Callable[[list[bytes]], list[bytes]]) -> bytes:
    bundle = list(_fields()["cabundle"])
    return _signed({"cabundle": order(bundle)})


@pytest.mark.parametrize(
    "raw",
    [
        _reordered(lambda bundle: [bundle[0], *bundle[:0:-1]]),
        _reordered(lambda bundle: [*bundle, _OTHER.root.der]),
        _reordered(lambda bundle: [*bundle, bundle[-1]]),
        _reordered(lambda bundle: bundle[:-1]),
        _reordered(lambda bundle: [bundle[0], *(one.der for one in _OTHER.issuers[1:])]),
        _signed({"certificate": _OTHER.signer.der}, _OTHER),
    ],
    ids=["backwards", "stranger", "twice", "gap", "another-vendors", "another-vendors-signer"],
)
def test_a_bundle_that_does_not_lead_to_the_signer_in_order_is_refused(raw: bytes) -> None:
    with pytest.raises(Unsigned) as refusal:
        _verify(raw)
    assert refusal.value.step == nitro.CHAIN


def test_a_certificate_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(Malformed) as refusal:
        _verify(_signed({"certificate": b"\x30\x00"}))
    assert refusal.value.step == nitro.CHAIN


@pytest.mark.parametrize("moment", [_AT - 4, _AT + 3 * 3600 + 1])
def test_a_moment_outside_the_signers_window_is_refused(moment: int) -> None:
    with pytest.raises(Expired) as refusal:
        _verify(_DOCUMENT, now=moment)
    assert refusal.value.step == nitro.CHAIN


@pytest.mark.parametrize("moment", [_AT - 3, _AT + 3 * 3600])
def test_both_ends_of_the_signers_window_belong_to_it(moment: int) -> None:
    raw = _signed({"timestamp": moment * 1000})
    assert _verify(raw, now=moment).issued_at == moment


def test_a_signer_that_may_issue_certificates_is_refused() -> None:
    raw = _signed(
        {
            "certificate": _MODULE.issuers[-1].der,
            "cabundle": [one.der for one in _MODULE.issuers[:-1]],
        },
        NitroModule("i", _MODULE.issuers, _MODULE.issuers[-1]),
    )
    with pytest.raises(Unsigned) as refusal:
        _verify(raw)
    assert refusal.value.step == nitro.SIGNER


def _list(issuer: Authority, *revoked: Authority) -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(_NOW - timedelta(hours=1))
        .next_update(_NOW + timedelta(hours=1))
    )
    for one in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(one.certificate.serial_number)
            .revocation_date(_NOW)
            .build()
        )
    return builder.sign(issuer.key, SHA384()).public_bytes(Encoding.DER)


def test_a_certificate_on_a_list_that_was_given_is_refused() -> None:
    revoked = _list(_MODULE.issuers[-1], _MODULE.signer)
    with pytest.raises(Unsigned, match="revocation list") as refusal:
        _verify(_DOCUMENT, endorsements=Endorsements(crls=(revoked,)))
    assert refusal.value.step == nitro.CHAIN


def test_lists_of_all_issuers_leave_nothing_unchecked_and_end_the_claims() -> None:
    lists = tuple(_list(issuer) for issuer in _MODULE.issuers)
    claims = _verify(_DOCUMENT, endorsements=Endorsements(crls=lists))
    assert claims.unchecked == ()
    assert claims.expires_at == _AT + 3600


def test_no_changed_bit_of_a_document_is_accepted() -> None:
    short = make_module(now=_NOW, depth=2)
    raw = short.document(_PCRS, _REQUEST, now=_NOW)
    roots = _roots(short)
    assert _verify(raw, roots=roots).facts["chain-len"] == 2
    assert_each_flip_is_refused(raw, partial(_verify, roots=roots))


def test_a_document_that_is_cut_or_goes_on_is_refused() -> None:
    for raw in (*(_DOCUMENT[:end] for end in range(0, len(_DOCUMENT), 61)), _DOCUMENT + b"\0"):
        with pytest.raises(Malformed) as refusal:
            _verify(raw)
        assert refusal.value.step == nitro.ENVELOPE


def _named(node: Node, *names: str) -> Node:
    for name in names:
        (node,) = (child for child in node.children if child.name == name)
    return node


def test_show_gives_the_place_and_meaning_of_every_field() -> None:
    tree = nitro.show(Evidence(EvidenceFormat.NITRO_DOCUMENT, _DOCUMENT))
    user_data = _named(tree, "payload", "user_data")
    assert user_data.value == b"report data".hex()
    assert user_data.offset is not None
    assert user_data.size == 1 + len(b"report data")
    assert _DOCUMENT[user_data.offset + 1 :].startswith(b"report data")
    assert _named(tree, "payload", "timestamp").note == "2026-03-01 12:00:00 UTC"
    assert _MODULE.module_id in _named(tree, "payload", "certificate").note
    assert "Emulated Nitro Zone" in _named(tree, "payload", "cabundle", "[2]").note
    assert _named(tree, "payload", "pcrs", "8").value == _PCRS[8].hex()
    signature = _named(tree, "signature")
    assert signature.offset == len(_DOCUMENT) - 96
    assert signature.value == _DOCUMENT[-96:].hex()


def test_show_refuses_what_is_no_document() -> None:
    with pytest.raises(Malformed):
        nitro.show(Evidence(EvidenceFormat.NITRO_DOCUMENT, b"\xa0"))
