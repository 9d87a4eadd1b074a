"""Quotes of trust domains: every form, every claim, and event logs."""

import hashlib

import pytest

from enclave.domain.errors import MalformedEvidence
from enclave.domain.evidence import TeeKind
from oracle.attestation.claims import DebugState, Tee
from oracle.attestation.evidence import EvidenceFormat
from oracle.attestation.findings import Malformed, Unacceptable, Unsigned
from oracle.attestation.tees import tdx
from oracle.devnet.silicon import quotes
from oracle.devnet.silicon.quotes import QuoteForm
from tests.fakes.event_logs import extended, log_event, log_header
from tests.fakes.intel_evidence import ENDS_AT, Case, genuine, vendor, whole_quote
from tests.oracle.attestation.tees.test_intel_quote import refused, verified
from tests.vectors.dcap_parts import MEASUREMENT, Parts, body_of, tdx_body

FORMS = [form for form in QuoteForm if form.tee is TeeKind.TDX]
TDX = TeeKind.TDX
_RTMR0 = 16 + 48 * 2 + 8 * 3 + 48 * 4
LOG = log_header() + log_event(1, b"firmware") + log_event(3, b"kernel") + log_event(3, b"initrd")


def _attributes(bits: int) -> Case:
    body = tdx_body(bits.to_bytes(8, "little"))
    return Case(TDX, whole_quote(Parts(QuoteForm.TDX_V4, body)))


def _logged(log: bytes) -> Case:
    """A quote whose registers are what `LOG` explains."""
    registers = (
        extended("sha384", b"firmware")
        + bytes(48)
        + extended("sha384", b"kernel", b"initrd")
        + bytes(48)
    )
    body = tdx_body()
    body = body[:_RTMR0] + registers + body[_RTMR0 + 192 :]
    return Case(TDX, whole_quote(Parts(QuoteForm.TDX_V4, body)), log=log)


@pytest.mark.parametrize("form", FORMS)
def test_every_claim_of_every_form(form: QuoteForm) -> None:
    data = bytes(range(64))
    claims = verified(Case(TDX, whole_quote(Parts(form, body_of(form, data=data)))))
    platform = vendor().platform
    assert claims.format is EvidenceFormat.TDX_QUOTE
    assert claims.tee is Tee.TDX
    assert claims.root_id == hashlib.sha256(vendor().chain.root.der).digest()
    assert claims.measurement("mrtd", "sha384") == MEASUREMENT
    assert claims.measurement("mrseam", "sha384") == quotes.MRSEAM
    zeros = ["rtmr0", "rtmr1", "rtmr2", "rtmr3", "mrsignerseam", "mrconfigid", "mrowner"]
    for name in (*zeros, "mrownerconfig"):
        assert claims.measurement(name) == bytes(48)
    is_td15 = form is QuoteForm.TDX_V5_TD15
    assert claims.measurement("mrservicetd") == (bytes(48) if is_td15 else None)
    assert claims.debug is DebugState.DISABLED_SINCE_BOOT
    assert claims.hardware_id == platform.ppid
    assert claims.report_data == data
    assert (claims.issued_at, claims.expires_at) == (None, ENDS_AT)
    assert claims.facts == {
        "quote-version": form.version,
        "fmspc": platform.fmspc,
        "pceid": platform.pceid,
        "pck-serial": f"{vendor().chain.pck.certificate.serial_number:#x}",
        "qe-mrenclave": quotes.QE_MRENCLAVE,
        "qe-mrsigner": quotes.QE_MRSIGNER,
        "qe-isvprodid": 2,
        "qe-isvsvn": quotes.QE_SVN,
        "tcb-shortfall": "",
        "sept-ve-disable": True,
        "migratable": False,
        "service-td-extension": False,
        "protection-keys": False,
        "key-locker": False,
        "performance-counters": False,
        "production-attributes": True,
        "td-attributes": quotes.TD_ATTRIBUTES,
        "xfam": quotes.TD_XFAM,
        "seamattributes": bytes(8),
    }
    unchecked = [each.what for each in claims.unchecked]
    always = ["time of the quote", "newer collateral"]
    assert unchecked == ["event log", *([] if is_td15 else ["service domain"]), *always]


def test_the_firmware_is_told() -> None:
    tcb = verified(Case(TDX, genuine(QuoteForm.TDX_V5_TD15))).tcb
    assert tcb is not None
    assert (tcb.status, tcb.advisories) == ("UpToDate", ())
    for name in ("tee_tcb_svn", "tee_tcb_svn_2"):
        assert [tcb.components[f"{name}_{n}"] for n in range(16)] == list(quotes.TEE_TCB_SVN)
    assert len(tcb.components) == 16 * 3 + 1


def test_a_module_that_was_updated_under_the_domain_asks_for_a_new_launch() -> None:
    body = body_of(QuoteForm.TDX_V5_TD15, module=quotes.UPDATED_MODULE)
    claims = verified(Case(TDX, whole_quote(Parts(QuoteForm.TDX_V5_TD15, body))))
    assert claims.tcb is not None
    assert claims.tcb.status == "TDRelaunchAdvised"
    assert claims.facts["tcb-shortfall"] == "version of the TDX module 1 is 2, wanted 5"
    assert claims.unchecked[0].what == "event log"


@pytest.mark.parametrize("bit", [0, 4, 7])
def test_debugging_and_profiling_are_claims(bit: int) -> None:
    claims = verified(_attributes(1 << 28 | 1 << bit))
    assert claims.debug is DebugState.ENABLED
    assert claims.unchecked[0].what == "second opinion"


@pytest.mark.parametrize(
    ("bit", "name"),
    [
        (17, "service-td-extension"),
        (29, "migratable"),
        (30, "protection-keys"),
        (31, "key-locker"),
        (63, "performance-counters"),
    ],
)
def test_each_attribute_is_a_claim(bit: int, name: str) -> None:
    claims = verified(_attributes(1 << 28 | 1 << bit))
    assert claims.facts[name] is True
    assert claims.debug is DebugState.DISABLED_SINCE_BOOT


def test_attributes_that_the_library_refuses_are_claims() -> None:
    claims = verified(_attributes(0))
    assert claims.facts["sept-ve-disable"] is False
    assert verified(_attributes(1 << 28 | 1 << 40)).facts["td-attributes"]


#: As `DcapVerifier` has them; the first eight and SEPT_VE_DISABLE have claims of their own.
_FREE = {*range(8), 16, 27, 28, 30, 63}


def test_attributes_that_weaken_a_domain_or_are_not_defined_are_none_for_production() -> None:
    for bit in range(64):
        facts = verified(_attributes(1 << 28 ^ 1 << bit)).facts
        assert facts["production-attributes"] == (bit in _FREE), bit


def test_a_service_domain_is_a_claim() -> None:
    body = body_of(QuoteForm.TDX_V5_TD15)[:-48] + b"\1" * 48
    claims = verified(Case(TDX, whole_quote(Parts(QuoteForm.TDX_V5_TD15, body))))
    assert claims.measurement("mrservicetd") == b"\1" * 48


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (tdx_body(seam=b"\1" + bytes(55)), "TDX module 0"),
        (tdx_body(svns=bytes((5, 9)) + quotes.TEE_TCB_SVN[2:]), "TDX module 9 is none"),
        (tdx_body(svns=bytes((1, 1)) + quotes.TEE_TCB_SVN[2:]), "version of the TDX module 1"),
    ],
)
def test_another_module_meets_no_level(body: bytes, why: str) -> None:
    refusal = refused(Case(TDX, whole_quote(Parts(QuoteForm.TDX_V4, body))))
    assert refusal.step == tdx.STEPS[12]
    assert isinstance(refusal, Unacceptable)
    assert why in str(refusal)


def test_a_log_that_explains_the_registers_is_taken() -> None:
    claims = verified(_logged(LOG))
    assert claims.measurement("rtmr2") == extended("sha384", b"kernel", b"initrd")
    assert "data of events" in [each.what for each in claims.unchecked]
    assert "event log" not in [each.what for each in claims.unchecked]


@pytest.mark.parametrize(
    ("log", "kind", "why"),
    [
        (LOG[:-1], Malformed, "event data ends"),
        (LOG + log_event(4, b"more"), Unsigned, "rtmr3 replays to"),
        (log_header() + log_event(1, b"firmware"), Unsigned, "rtmr2 replays to"),
        (LOG + log_event(5, b"more"), Unsigned, r"extends registers [5]"),
        (LOG + log_event(0, b"more"), Unsigned, r"extends registers [0]"),
        (b"", Malformed, "register of the header"),
    ],
)
def test_another_log_is_refused(log: bytes, kind: type[Exception], why: str) -> None:
    refusal = refused(_logged(log))
    assert refusal.step == tdx.STEPS[14]
    assert isinstance(refusal, kind)
    assert why in str(refusal)


def test_quote_and_log_are_shown() -> None:
    assert tdx.show(Case(TDX).evidence).name == "quote"
    quote, log = tdx.show(_logged(LOG).evidence).children
    assert (quote.value, log.name) == ("version 4", "event log")
    with pytest.raises(MalformedEvidence):
        tdx.show(_logged(b"").evidence)
