"""The emulated AWS makes documents as AWS does, under another root."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import cbor2
import pytest
from cryptography import x509

from oracle.devnet.silicon.nitro import LIVES, Request, make_module, make_signer

_NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def test_a_document_has_the_fields_of_a_real_one_in_their_order() -> None:
    module = make_module(now=_NOW)
    raw = module.document({0: b"\1" * 48}, Request(nonce=b"n"), now=_NOW)
    header, unprotected, payload, signature = cbor2.loads(raw)
    fields = cbor2.loads(payload)
    assert raw[:9] == bytes.fromhex("8444a1013822a059") + raw[8:9]
    assert (header, dict(unprotected), len(signature)) == (b"\xa1\x01\x38\x22", {}, 96)
    assert " ".join(fields) == (
        "module_id digest timestamp pcrs certificate cabundle public_key user_data nonce"
    )
    assert fields["timestamp"] == 1_772_366_400_250
    assert list(fields["pcrs"]) == list(range(16))
    assert fields["pcrs"][0] == b"\1" * 48
    assert not any(fields["pcrs"][15])
    assert (fields["public_key"], fields["user_data"], fields["nonce"]) == (None, None, b"n")
    assert fields["cabundle"][0] == module.root.der
    assert max(len(der) for der in (*fields["cabundle"], fields["certificate"])) <= 1024


@pytest.mark.parametrize("depth", [2, 3, 4, 5])
def test_a_chain_leads_from_the_root_to_the_module(depth: int) -> None:
    module = make_module(now=_NOW, depth=depth)
    path = [one.certificate for one in (*module.issuers, module.signer)]
    assert len(path) == depth
    for issuer, issued in pairwise(path):
        issued.verify_directly_issued_by(issuer)
        room = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
        assert issuer is path[0] or room == depth - 2 - path.index(issuer)
    for certificate in path:
        assert certificate.not_valid_before_utc <= _NOW <= certificate.not_valid_after_utc


def test_a_modules_certificate_lives_as_long_as_a_real_one() -> None:
    module = make_module(now=_NOW)
    signer = make_signer("i-0-enc0", module.issuers[-1], now=_NOW).certificate
    assert signer.not_valid_after_utc - signer.not_valid_before_utc == LIVES[-1]
    assert signer.not_valid_before_utc == _NOW.replace(microsecond=0) - timedelta(seconds=3)
    usage = signer.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign


def test_each_vendor_has_a_root_of_its_own() -> None:
    assert make_module(now=_NOW).root.der != make_module(now=_NOW).root.der
