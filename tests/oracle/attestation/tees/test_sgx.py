"""Quotes of enclaves: every form, and every claim."""

import hashlib
from dataclasses import replace

import pytest

from enclave.domain.evidence import TeeKind
from oracle.attestation.claims import DebugState, Tee
from oracle.attestation.evidence import EvidenceFormat
from oracle.attestation.tees import sgx
from oracle.devnet.silicon import quotes
from oracle.devnet.silicon.quotes import QuoteForm
from tests.fakes.intel_evidence import ENDS_AT, Case, genuine, tables, vendor, whole_quote
from tests.oracle.attestation.tees.test_intel_quote import verified
from tests.vectors.dcap_parts import MEASUREMENT, Parts, sgx_body

FORMS = [form for form in QuoteForm if form.tee is TeeKind.SGX]
#: INIT, DEBUG, MODE64BIT, PROVISION_KEY, EINITTOKEN_KEY.
_ALL_FLAGS = bytes.fromhex("3700000000000000e700000000000000")


@pytest.mark.parametrize("form", FORMS)
def test_every_claim_of_every_form(form: QuoteForm) -> None:
    data = bytes(range(64))
    claims = verified(Case(form.tee, whole_quote(Parts(form, sgx_body(data=data)))))
    platform = vendor().platform
    assert claims.format is EvidenceFormat.SGX_QUOTE
    assert claims.tee is Tee.SGX
    assert claims.root_id == hashlib.sha256(vendor().chain.root.der).digest()
    assert claims.measurement("mrenclave", "sha256") == MEASUREMENT[:32]
    assert claims.measurement("mrsigner", "sha256") == quotes.ENCLAVE_MRSIGNER
    assert claims.measurement("configid") == bytes(64)
    assert claims.debug is DebugState.DISABLED_SINCE_BOOT
    assert claims.hardware_id == platform.ppid
    assert claims.report_data == data
    assert (claims.issued_at, claims.expires_at) == (None, ENDS_AT)
    assert claims.submodules == {}
    assert claims.facts == {
        "quote-version": form.version,
        "fmspc": platform.fmspc,
        "pceid": platform.pceid,
        "pck-serial": f"{vendor().chain.pck.certificate.serial_number:#x}",
        "qe-mrenclave": quotes.QE_MRENCLAVE,
        "qe-mrsigner": quotes.QE_MRSIGNER,
        "qe-isvprodid": 1,
        "qe-isvsvn": quotes.QE_SVN,
        "tcb-shortfall": "",
        "isvprodid": 0,
        "isvsvn": 0,
        "configsvn": 0,
        "attributes": quotes.ENCLAVE_ATTRIBUTES,
        "miscselect": bytes(4),
        "cpusvn": bytes(range(16)),
        "isvextprodid": bytes(16),
        "isvfamilyid": bytes(16),
        "init": True,
        "provisioning-key": False,
        "einittoken-key": False,
        "production-attributes": True,
    }


@pytest.mark.parametrize("form", FORMS)
def test_the_firmware_is_told(form: QuoteForm) -> None:
    tcb = verified(Case(form.tee, genuine(form))).tcb
    info, _ = tables(TeeKind.SGX)
    assert tcb is not None
    assert (tcb.status, tcb.advisories) == ("UpToDate", ())
    assert tcb.evaluation_number == info.number
    assert tcb.dated_at == info.levels[0].grade.date
    components = vendor().platform.components
    assert [tcb.components[f"sgxtcbcomp{n:02}svn"] for n in range(1, 17)] == list(components)
    assert tcb.components["pcesvn"] == vendor().platform.pcesvn
    assert len(tcb.components) == 17


@pytest.mark.parametrize("flags", ["07", "15", "25", "04"])
def test_an_enclave_of_the_platforms_own_is_none_for_production(flags: str) -> None:
    """On-chain it is refused; debug mode has a claim of its own."""
    attributes = bytes.fromhex(flags) + quotes.ENCLAVE_ATTRIBUTES[1:]
    claims = verified(Case(TeeKind.SGX, whole_quote(Parts(FORMS[0], sgx_body(attributes)))))
    assert claims.facts["production-attributes"] == (flags == "07")


@pytest.mark.parametrize("form", FORMS)
def test_the_flags_of_an_enclave_are_claims(form: QuoteForm) -> None:
    claims = verified(Case(form.tee, whole_quote(Parts(form, sgx_body(_ALL_FLAGS)))))
    assert claims.debug is DebugState.ENABLED
    assert claims.facts["provisioning-key"]
    assert claims.facts["einittoken-key"]
    # Debug mode is what the library refuses; from version 4 on it refuses all.
    assert claims.unchecked[0].what == "second opinion"
    off = replace(Parts(form, sgx_body(bytes(8) + _ALL_FLAGS[8:])))
    assert verified(Case(form.tee, whole_quote(off))).facts["init"] is False


def test_it_is_said_what_no_quote_says() -> None:
    claims = verified(Case(TeeKind.SGX))
    assert [each.what for each in claims.unchecked] == ["time of the quote", "newer collateral"]


def test_bytes_of_a_drivers_buffer_change_nothing() -> None:
    raw = genuine(QuoteForm.SGX_V3)
    case = Case(TeeKind.SGX, raw + bytes(3000))
    assert verified(case) == verified(Case(TeeKind.SGX, raw))


def test_a_quote_is_shown() -> None:
    node = sgx.show(Case(TeeKind.SGX).evidence)
    assert (node.name, node.value) == ("quote", "version 3")
