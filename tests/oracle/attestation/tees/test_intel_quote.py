"""What the verifiers of SGX and TDX quotes share: steps, flipped bits, the second opinion."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from enclave.domain.evidence import TeeKind
from oracle.attestation.claims import Claims
from oracle.attestation.codecs.tcb_tables import STATUS_NAMES, TcbStatus
from oracle.attestation.findings import Expired, Malformed, Refusal, Remedy, Unacceptable, Unsigned
from oracle.attestation.tees import sgx, tdx
from oracle.devnet.silicon.pki import Authority, make_pck
from oracle.devnet.silicon.quotes import QuoteForm
from oracle.devnet.silicon.vendor import SiliconVendor
from tests.fakes.event_logs import log_event, log_header
from tests.fakes.intel_evidence import (
    ENDS_AT,
    ISSUED_AT,
    NOW,
    OLDEST,
    Case,
    collateral,
    genuine,
    other_machine,
    qe_with_status,
    roots_of,
    tables,
    vendor,
    whole_quote,
    with_status,
)
from tests.vectors.dcap_parts import Parts, body_of

TEES = (TeeKind.SGX, TeeKind.TDX)
MODULES = {TeeKind.SGX: sgx, TeeKind.TDX: tdx}
VERIFIERS = {TeeKind.SGX: sgx.verify, TeeKind.TDX: tdx.verify}
ALIEN = SiliconVendor(now=ISSUED_AT)


def verified(case: Case) -> Claims:
    """What the verifier of the case's TEE says."""
    verify = VERIFIERS[case.tee]
    return verify(case.evidence, case.endorsements, roots=case.trusted, now=case.now)


def refused(case: Case) -> Refusal:
    with pytest.raises(Refusal) as caught:
        verified(case)
    return caught.value


def _parts(tee: TeeKind) -> Parts:
    return Parts(OLDEST[tee], body_of(OLDEST[tee]))


def _quote(tee: TeeKind, pck: Authority | None = None, **changes: object) -> bytes:
    # mypy does not know the types of fields that are named at run time.
    return whole_quote(replace(_parts(tee), **changes), pck=pck)  # type: ignore[arg-type]


def _forged_pck(tee: TeeKind) -> Case:
    """A certificate in the CA's name, and a machine's key of one's own."""
    ca = vendor().chain.platform_ca
    forger = Authority(ca.certificate, ec.generate_private_key(ec.SECP256R1()))
    return Case(tee, _quote(tee, make_pck(vendor().platform, forger, now=ISSUED_AT)))


def _altered_body(tee: TeeKind) -> Case:
    raw = bytearray(genuine(OLDEST[tee]))
    raw[48 + len(body_of(OLDEST[tee])) - 1] ^= 1
    return Case(tee, bytes(raw))


def _signed_by_another(tee: TeeKind) -> Case:
    other = collateral(tee, info=with_status(tables(tee)[0], TcbStatus.OUT_OF_DATE))
    return Case(tee, fields=collateral(tee, tcb_info_signature=other["tcb_info_signature"]))


def _disputed(tee: TeeKind) -> Case:
    """The library does not merge this status of a quoting enclave, which Intel never gave one."""
    identity = qe_with_status(tables(tee)[1], TcbStatus.CONFIGURATION_NEEDED)
    return Case(tee, fields=collateral(tee, identity=identity))


def _unwanted_field(tee: TeeKind) -> Case:
    fields = collateral(tee)
    del fields["tcb_info"]
    return Case(tee, fields=fields)


def _oldest_missed(tee: TeeKind) -> Case:
    first, *rest = vendor().platform.components
    return Case(tee, _quote(tee, other_machine(components=bytes((first - 1, *rest)))))


#: Step -> a case of which only that step is wrong, and what kind of refusal it is.
BROKEN: dict[str, tuple[Callable[[TeeKind], Case], type[Refusal]]] = {
    "quote-format": (lambda tee: Case(tee, _quote(tee, vendor_id=bytes(16))), Malformed),
    "collateral-format": (_unwanted_field, Malformed),
    "trusted-root": (lambda tee: Case(tee, roots=roots_of(ALIEN)), Unsigned),
    "validity": (lambda tee: Case(tee, now=ENDS_AT + 1), Expired),
    "pck-chain": (_forged_pck, Unsigned),
    "revocation": (
        lambda tee: Case(
            tee,
            fields=collateral(tee, revoked=[vendor().chain.pck.certificate.serial_number]),
        ),
        Unsigned,
    ),
    "collateral-signature": (_signed_by_another, Unsigned),
    "qe-report-signature": (
        lambda tee: Case(
            tee, whole_quote(_parts(tee), signer=ec.generate_private_key(ec.SECP256R1()))
        ),
        Unsigned,
    ),
    "qe-report-binding": (lambda tee: Case(tee, _quote(tee, bind_other_key=True)), Unsigned),
    "quote-signature": (_altered_body, Unsigned),
    "qe-identity": (lambda tee: Case(tee, _quote(tee, mrsigner=bytes(32))), Unacceptable),
    "tcb-info": (
        lambda tee: Case(tee, _quote(tee, other_machine(fmspc=bytes(6)))),
        Unacceptable,
    ),
    "tcb-level": (_oldest_missed, Unacceptable),
    "second-opinion": (_disputed, Unacceptable),
    "event-log": (lambda tee: Case(tee, log=log_header() + log_event(1, b"strange")), Unsigned),
}


@pytest.mark.parametrize("tee", TEES)
def test_there_is_a_broken_case_for_every_step(tee: TeeKind) -> None:
    steps = MODULES[tee].STEPS
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    names = [f"{tee.name.lower()}.{name}" for name in BROKEN]
    assert [step.name for step in steps] == names[: len(steps)]


@pytest.mark.parametrize(
    ("tee", "name"), [(tee, step.name) for tee in TEES for step in MODULES[tee].STEPS]
)
def test_each_broken_case_is_refused_by_its_step(tee: TeeKind, name: str) -> None:
    make, kind = BROKEN[name.partition(".")[2]]
    refusal = refused(make(tee))
    assert refusal.step is not None
    assert (refusal.step.name, type(refusal)) == (name, kind), str(refusal)
    assert refusal.seen
    assert refusal.wanted


@pytest.mark.parametrize("tee", TEES)
def test_a_quote_of_the_other_tee_is_refused(tee: TeeKind) -> None:
    other = OLDEST[TeeKind.TDX if tee is TeeKind.SGX else TeeKind.SGX]
    assert "wanted" in str(refused(Case(tee, genuine(other))))


@pytest.mark.parametrize("tee", TEES)
def test_collateral_of_the_other_tee_is_refused(tee: TeeKind) -> None:
    other = TeeKind.TDX if tee is TeeKind.SGX else TeeKind.SGX
    info, identity = tables(other)
    refusal = refused(Case(tee, fields=collateral(tee, info=info)))
    assert refusal.step == MODULES[tee].STEPS[11]
    refusal = refused(Case(tee, fields=collateral(tee, identity=identity)))
    assert refusal.step == MODULES[tee].STEPS[10]


def test_quote_and_collateral_have_to_end_at_the_same_trusted_root() -> None:
    office = ALIEN.collateral
    fields = office.quote_collateral(
        TeeKind.SGX, office.publish(now=ISSUED_AT, number=office.number)
    )
    refusal = refused(Case(TeeKind.SGX, fields=fields, roots=roots_of(vendor(), ALIEN)))
    assert refusal.step == sgx.STEPS[2]


def test_every_window_is_checked_before_and_after() -> None:
    chain = vendor().chain
    early = int(ISSUED_AT.timestamp()) - 1
    refusal = refused(Case(TeeKind.SGX, now=early))
    assert (refusal.step, refusal.remedy) == (sgx.STEPS[3], Remedy.CHECK_TIME)
    assert "revocation list" in refusal.subject
    info, identity = tables(TeeKind.SGX)
    late = replace(info, issued_at=NOW + 1)
    subjects = {
        "TCB information": collateral(TeeKind.SGX, info=late),
        "quoting enclave identity": collateral(
            TeeKind.SGX, identity=replace(identity, next_update=NOW - 1)
        ),
    }
    for subject, fields in subjects.items():
        assert refused(Case(TeeKind.SGX, fields=fields)).subject == subject
    after = Case(TeeKind.SGX, now=chain.pck.not_after + 1)
    assert "PCK Certificate" in refused(after).subject


def test_the_last_second_is_disputed_and_the_one_before_is_not() -> None:
    """A list ends with its last second here and on-chain, and before it by the library."""
    assert verified(Case(TeeKind.SGX, now=ENDS_AT - 1)).expires_at == ENDS_AT
    assert refused(Case(TeeKind.SGX, now=ENDS_AT)).step == sgx.STEPS[13]


@pytest.mark.parametrize("tee", TEES)
@pytest.mark.parametrize("status", [s for s in TcbStatus if s <= TcbStatus.REVOKED])
def test_every_status_of_a_platform_is_a_claim(tee: TeeKind, status: TcbStatus) -> None:
    info = with_status(tables(tee)[0], status, "INTEL-SA-00001")
    claims = verified(Case(tee, fields=collateral(tee, info=info)))
    assert claims.tcb is not None
    assert claims.tcb.status == STATUS_NAMES[status]
    assert claims.tcb.advisories == ("INTEL-SA-00001",)
    # The library refuses what is revoked; then this verifier has made every step alone.
    is_alone = "second opinion" in [each.what for each in claims.unchecked]
    assert is_alone == (status is TcbStatus.REVOKED)


@pytest.mark.parametrize("tee", TEES)
def test_the_quoting_enclaves_status_is_merged(tee: TeeKind) -> None:
    identity = qe_with_status(tables(tee)[1], TcbStatus.OUT_OF_DATE)
    claims = verified(Case(tee, fields=collateral(tee, identity=identity)))
    assert claims.tcb is not None
    assert claims.tcb.status == "OutOfDate"


def test_what_keeps_a_machine_from_the_newest_level_is_named() -> None:
    info, _ = tables(TeeKind.SGX)
    newest = info.levels[0]
    better = replace(newest, sgx=bytes((99, *newest.sgx[1:])))
    levels = (better, *info.levels)
    fields = collateral(TeeKind.SGX, info=replace(info, levels=levels))
    claims = verified(Case(TeeKind.SGX, fields=fields))
    assert claims.facts["tcb-shortfall"] == "SGX TCB component 1 is 14, wanted 99"
    assert verified(Case(TeeKind.SGX)).facts["tcb-shortfall"] == ""


def test_what_a_platform_lacks_to_the_oldest_level_is_named() -> None:
    refusal = refused(_oldest_missed(TeeKind.SGX))
    assert refusal.subject == "SGX TCB component 1"
    assert "is 13" in refusal.seen
    assert "at least 14" in refusal.wanted
    older = Case(TeeKind.SGX, _quote(TeeKind.SGX, other_machine(pcesvn=12)))
    assert refused(older).subject == "PCESVN"
    qe = Case(TeeKind.SGX, _quote(TeeKind.SGX, svn=1))
    assert refused(qe).subject == "version of the quoting enclave"


#: Of names whose length a flipped bit makes too long for their kind.
_ODD_NAMES = "ignore:Attribute's length must be:UserWarning"


@pytest.mark.filterwarnings(_ODD_NAMES)
@pytest.mark.parametrize("form", [QuoteForm.SGX_V3, QuoteForm.SGX_V4, QuoteForm.TDX_V5_TD15])
def test_no_flipped_bit_of_a_quote_is_accepted(form: QuoteForm) -> None:
    """Every byte before the certificates, one in eight of those; version 4 goes without library."""
    raw = genuine(form)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    source = random.Random(seed)
    chain = raw.index(b"-----BEGIN")
    places = [*range(chain), *source.sample(range(chain, len(raw)), (len(raw) - chain) // 8)]
    for at in places:
        altered = bytearray(raw)
        altered[at] ^= 1 << source.randrange(8)
        assert refused(Case(form.tee, bytes(altered))).step is not None


@pytest.mark.filterwarnings(_ODD_NAMES)
@pytest.mark.parametrize("form", [QuoteForm.SGX_V3, QuoteForm.SGX_V4])
def test_no_flipped_bit_of_collateral_is_accepted(form: QuoteForm) -> None:
    fields = collateral(form.tee)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    source = random.Random(seed)
    # The last is not read: the quote's own CA has to have signed its list.
    read = fields.keys() - {"pck_crl_issuer_chain"}
    for name in sorted(read):
        value = fields[name].encode()
        for at in source.sample(range(len(value)), len(value) // 8):
            altered = bytearray(value)
            altered[at] ^= 1 << source.randrange(7)
            text = altered.decode("ascii")
            try:
                verified(Case(form.tee, genuine(form), fields | {name: text}))
            except Refusal:
                continue
            assert _says_the_same(text, fields[name]), f"{name} at {at}"


def _says_the_same(altered: str, told: str) -> bool:
    """Hexadecimal digits in the other case."""
    try:
        return bytes.fromhex(altered) == bytes.fromhex(told)
    except ValueError:
        return False
