"""Signatures as checked without the library: of quotes that it does not read."""

from dataclasses import replace

import pytest

from oracle.attestation.findings import Malformed, Refusal, Remedy, Unsigned
from oracle.attestation.tees import sgx
from oracle.devnet.silicon.documents import make_crl
from oracle.devnet.silicon.pki import Authority, pem_chain
from oracle.devnet.silicon.quotes import QuoteForm
from tests.fakes.intel_evidence import (
    ISSUED_AT,
    LIFE,
    Case,
    collateral,
    genuine,
    vendor,
    whole_quote,
)
from tests.fakes.x509_authority import make_certificate
from tests.oracle.attestation.tees.test_intel_quote import refused, verified
from tests.vectors.dcap_parts import Parts, body_of

FORM = QuoteForm.SGX_V4
PARTS = Parts(FORM, body_of(FORM))


def _refused(raw: bytes = b"", **changes: object) -> Refusal:
    # mypy does not know the types of arguments that are named at run time.
    fields = collateral(FORM.tee, **changes)  # type: ignore[arg-type]
    return refused(Case(FORM.tee, raw or genuine(FORM), fields))


def test_all_steps_pass_without_the_library() -> None:
    claims = verified(Case(FORM.tee, genuine(FORM)))
    assert "have to have version 3" in claims.unchecked[0].reason


def test_a_list_of_another_authority_is_none() -> None:
    chain = vendor().chain
    other = make_crl(chain.root, (), now=ISSUED_AT, life=LIFE).hex()
    refusal = _refused(pck_crl=other)
    assert (refusal.step, refusal.remedy) == (sgx.STEPS[5], Remedy.REFRESH_COLLATERAL)


def test_a_revoked_ca_and_a_revoked_signer_are_refused() -> None:
    chain = vendor().chain
    ca = chain.platform_ca.certificate.serial_number
    assert _refused(revoked_by_root=[ca]).step == sgx.STEPS[5]
    signer = chain.tcb_signer.certificate.serial_number
    assert _refused(revoked_by_root=[signer]).step == sgx.STEPS[6]


def test_a_signer_that_the_root_did_not_issue_is_none() -> None:
    stranger = make_certificate("Emulated SGX TCB Signing", is_ca=False)
    own = Authority(stranger.certificate, stranger.key)
    assert isinstance(_refused(signer=own), Unsigned)


def test_a_machine_cannot_sign_collateral() -> None:
    chain = vendor().chain
    refusal = _refused(signer=chain.pck)
    assert refusal.step == sgx.STEPS[6]


def test_a_signature_of_zeros_is_refused() -> None:
    raw = bytearray(genuine(FORM))
    at = 48 + 384 + 4
    raw[at : at + 64] = bytes(64)
    assert _refused(bytes(raw)).step == sgx.STEPS[9]


def test_a_key_that_is_no_point_of_the_curve_is_refused() -> None:
    raw = whole_quote(replace(PARTS, point=b"\1" * 64))
    refusal = _refused(raw)
    assert refusal.step == sgx.STEPS[9]
    assert "no point" in refusal.seen


@pytest.mark.parametrize("tail", [b"\1" + bytes(31), bytes(31) + b"\1"])
def test_the_rest_of_the_report_data_is_zero(tail: bytes) -> None:
    raw = whole_quote(replace(PARTS, binding_tail=tail))
    assert _refused(raw).step == sgx.STEPS[8]


def test_an_issuer_chain_of_another_length_is_malformed() -> None:
    chain = vendor().chain
    pem = pem_chain(chain.tcb_signer).decode()
    assert isinstance(_refused(tcb_info_issuer_chain=pem), Malformed)
