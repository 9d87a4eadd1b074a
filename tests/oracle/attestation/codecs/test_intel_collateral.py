from typing import Any

import pytest

from enclave.domain.errors import MalformedEvidence
from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.crl import MAX_CRL
from oracle.attestation.codecs.intel_collateral import MAX_CHAIN, parse_collateral
from tests.fakes.intel_evidence import collateral, tables, vendor

FIELDS = collateral(TeeKind.TDX)
READ = sorted(FIELDS.keys() - {"pck_crl_issuer_chain"})


def test_collateral_is_taken_apart() -> None:
    found = parse_collateral(FIELDS)
    info, identity = tables(TeeKind.TDX)
    assert (found.info, found.identity) == (info, identity)
    chain = vendor().chain
    for signed in (found.info_signed, found.identity_signed):
        assert signed.signer == chain.tcb_signer.certificate
        assert signed.root.der == chain.root.der
    assert found.info_signed.text.text == FIELDS["tcb_info"].encode()
    assert found.root_crl.issuer == chain.root.certificate.subject
    assert found.pck_crl.issuer == chain.platform_ca.certificate.subject
    assert found.whole.tcb_info == FIELDS["tcb_info"]
    assert found.whole.pck_crl.hex() == FIELDS["pck_crl"]


def test_the_chain_of_the_ca_is_not_read() -> None:
    parse_collateral({name: FIELDS[name] for name in READ})


@pytest.mark.parametrize("name", READ)
def test_every_other_field_is_needed(name: str) -> None:
    fields = {key: value for key, value in FIELDS.items() if key != name}
    with pytest.raises(MalformedEvidence, match=f"lacks {name}"):
        parse_collateral(fields)


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("value", ["", "é", "zz", "00", "{}"])
def test_every_field_is_read(name: str, value: str) -> None:
    with pytest.raises(MalformedEvidence):
        parse_collateral(FIELDS | {name: value})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"tcb_info_signature": "00" * 63}, "63 bytes"),
        ({"tcb_info_signature": "00" * 65}, "130 digits"),
        ({"root_ca_crl": "00" * (MAX_CRL + 1)}, f"wanted <= {2 * MAX_CRL}"),
        ({"tcb_info_issuer_chain": "-" * (MAX_CHAIN + 1)}, f"wanted <= {MAX_CHAIN}"),
        ({"qe_identity_issuer_chain": FIELDS["tcb_info_issuer_chain"] * 2}, "4 certificates"),
    ],
)
def test_lengths_are_bounded(changes: Any, why: str) -> None:
    with pytest.raises(MalformedEvidence, match=why):
        parse_collateral(FIELDS | changes)
