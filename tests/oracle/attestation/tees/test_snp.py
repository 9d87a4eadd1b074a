"""SEV-SNP evidence is accepted only as a whole: each step has a case that breaks it alone."""

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from oracle.attestation.claims import Claims, DebugState, Measurement, Tcb, Tee
from oracle.attestation.codecs.certificates import load_certificate
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, EvidenceFormat
from oracle.attestation.findings import (
    Expired,
    Malformed,
    Refusal,
    Remedy,
    Unacceptable,
    Unsigned,
)
from oracle.attestation.roots import Anchors, Root, Roots, vendor_roots
from oracle.attestation.tees.snp import STEPS, show, verify, verify_endorsement_key
from oracle.devnet.silicon.amd import (
    GENOA,
    MILAN,
    NO_KEY,
    TURIN,
    VCEK,
    VLEK,
    EndorsedKey,
    Levels,
    Line,
    make_amd_vendor,
)
from tests.fakes.amd import (
    AT,
    CSP,
    LEVELS,
    NOW,
    amd_keys,
    amd_roots,
    amd_vendor,
    endorsed_key,
    hwid,
    make_report,
    snp_endorsements,
    snp_evidence,
)
from tests.fakes.x509_authority import make_certificate

LINES = pytest.mark.parametrize("line", [MILAN, GENOA, TURIN], ids=lambda line: line.name)
OTHER_LEVELS = replace(LEVELS, snp=23)


def _verify(
    evidence: Evidence,
    endorsements: Endorsements | None = None,
    *,
    roots: Roots | None = None,
    now: int = AT,
) -> Claims:
    return verify(
        evidence,
        endorsements or snp_endorsements(MILAN, VCEK),
        roots=roots or amd_roots(MILAN, GENOA, TURIN),
        now=now,
    )


def _refusal(kind: type[Refusal], *args: Any, **kwargs: Any) -> Refusal:
    with pytest.raises(kind) as caught:
        _verify(*args, **kwargs)
    return caught.value


def _altered(evidence: Evidence, offset: int, part: bytes) -> Evidence:
    raw = evidence.raw[:offset] + part + evidence.raw[offset + len(part) :]
    return Evidence(EvidenceFormat.SNP_REPORT, raw)


@LINES
@pytest.mark.parametrize("version", [2, 3, 5])
@pytest.mark.parametrize("kind", [VCEK, VLEK], ids=["VCEK", "VLEK"])
def test_every_line_version_and_kind_of_key_is_verified(
    line: Line, version: int, kind: int
) -> None:
    report = make_report(line, version, signing_key=kind)
    claims = _verify(snp_evidence(report), snp_endorsements(line, kind))
    assert (claims.format, claims.tee) == (EvidenceFormat.SNP_REPORT, Tee.SNP)
    assert claims.root_id == hashlib.sha256(amd_vendor(line).ark).digest()
    assert claims.facts["product-line"] == line.name
    assert claims.facts["report-version"] == version
    assert claims.facts["endorsement-key"] == ("VLEK" if kind == VLEK else "VCEK")
    assert claims.facts["csp"] == (CSP if kind == VLEK else "")
    assert claims.hardware_id == (b"" if kind == VLEK else report.chip_id)
    fmc = {"fmc": 0} if line is TURIN else {}
    levels = {"bootloader": 4, "tee": 1, "snp": 24, "microcode": 219}
    assert claims.tcb == Tcb(status="", advisories=(), components=levels | fmc)
    # The machine that the endorsement key is of begins with the vendor, a day before.
    life = timedelta(days=365 if kind == VLEK else 7 * 365)
    assert claims.expires_at == int((NOW - timedelta(days=1) + life).timestamp())
    unchecked = [each.what.split(" ")[0] for each in claims.unchecked]
    assert unchecked == [
        "revocation",
        "revocation",
        *(["chip"] if kind == VLEK else []),
        *(["CPUID"] if version == 2 else []),
    ]


def test_claims_are_the_reports_fields() -> None:
    fields = {
        0x004: b"\x05\0\0\0",
        0x010: b"f" * 16,
        0x020: b"i" * 16,
        0x048: b"\x01\0\0\0",
        0x0E0: b"k" * 48,
        0x110: b"a" * 48,
        0x140: b"r" * 32,
        0x1E8: bytes((30, 56, 1)),
        0x1F8: b"\x07",
        0x200: b"\x0f",
    }
    report = make_report(
        TURIN, 5, policy=0x3_0102, vmpl=1, current=Levels(1, 2, 3, 4, 5), fields=fields
    )
    claims = _verify(snp_evidence(report), snp_endorsements(TURIN, VCEK))
    assert claims.measurements == (
        Measurement("measurement", "sha384", b"\x11" * 48),
        Measurement("host-data", "", b"\x22" * 32),
        Measurement("id-key-digest", "sha384", b"k" * 48),
        Measurement("author-key-digest", "sha384", b"a" * 48),
    )
    assert claims.debug is DebugState.DISABLED
    assert claims.report_data == bytes(range(64))
    assert claims.hardware_id == hwid(TURIN) + bytes(56)
    assert claims.issued_at is None
    assert claims.facts == {
        "report-version": 5,
        "endorsement-key": "VCEK",
        "product-line": "Turin",
        "product-name": "Turin",
        "struct-version": 1,
        "hwid": hwid(TURIN),
        "csp": "",
        "sig-algo": 1,
        "vmpl": 1,
        "guest-svn": 5,
        "policy": 0x3_0102,
        "abi": "1.2",
        "policy-smt": True,
        "policy-reserved-17": True,
        "policy-migrate-ma": False,
        "policy-debug": False,
        "policy-single-socket": False,
        "policy-cxl": False,
        "policy-aes-256-xts": False,
        "policy-rapl-disabled": False,
        "policy-ciphertext-hiding": False,
        "policy-page-swap-disabled": False,
        "plat-info": 0x25,
        "platform-smt": True,
        "platform-tsme": False,
        "platform-ecc": True,
        "platform-rapl-disabled": False,
        "platform-ciphertext-hiding": False,
        "platform-alias-check": True,
        "key-info": 1,
        "author-key-en": True,
        "mask-chip-key": False,
        "family-id": b"f" * 16,
        "image-id": b"i" * 16,
        "report-id": b"r" * 32,
        "report-id-ma": b"\xff" * 32,
        "chip-id": hwid(TURIN) + bytes(56),
        "reported-tcb": int.from_bytes(LEVELS.pack(TURIN), "little"),
        "current-tcb": 0x04_00_00_00_03_02_01_05,
        "committed-tcb": 0x04_00_00_00_03_02_01_05,
        "launch-tcb": 0x04_00_00_00_03_02_01_05,
        "current-firmware": "1.56.30",
        "committed-firmware": "1.55.29",
        "cpuid-fam": 0x1A,
        "cpuid-mod": 2,
        "cpuid-step": 1,
        "launch-mitigations": 7,
        "current-mitigations": 15,
    }


@pytest.mark.parametrize(
    ("bit", "name"),
    [
        (16, "policy-smt"),
        (17, "policy-reserved-17"),
        (18, "policy-migrate-ma"),
        (19, "policy-debug"),
        (20, "policy-single-socket"),
        (21, "policy-cxl"),
        (22, "policy-aes-256-xts"),
        (23, "policy-rapl-disabled"),
        (24, "policy-ciphertext-hiding"),
        (25, "policy-page-swap-disabled"),
    ],
)
def test_policy_is_told_and_not_judged(bit: int, name: str) -> None:
    claims = _verify(snp_evidence(make_report(MILAN, policy=1 << bit)))
    told = {
        key for key, value in claims.facts.items() if key.startswith("policy-") and value is True
    }
    assert told == {name}
    assert (claims.debug is DebugState.ENABLED) == (name == "policy-debug")


@pytest.mark.parametrize(
    ("bit", "name"),
    [
        (0, "platform-smt"),
        (1, "platform-tsme"),
        (2, "platform-ecc"),
        (3, "platform-rapl-disabled"),
        (4, "platform-ciphertext-hiding"),
        (5, "platform-alias-check"),
    ],
)
def test_the_platforms_settings_are_told(bit: int, name: str) -> None:
    report = make_report(MILAN, fields={0x40: bytes((1 << bit,))})
    facts = _verify(snp_evidence(report)).facts
    told = {key for key, value in facts.items() if key.startswith("platform-") and value is True}
    assert told == {name}


def test_a_providers_key_may_sign_for_a_chip_that_is_not_masked() -> None:
    report = make_report(MILAN, signing_key=VLEK, chip_id=b"\x33" * 64)
    claims = _verify(snp_evidence(report), snp_endorsements(MILAN, VLEK))
    assert claims.hardware_id == b"\x33" * 64


def test_a_masked_chip_key_does_not_keep_a_provider_from_signing() -> None:
    report = make_report(MILAN, signing_key=VLEK, fields={0x48: b"\x06"})
    claims = _verify(snp_evidence(report), snp_endorsements(MILAN, VLEK))
    assert claims.facts["mask-chip-key"] is True


def test_certificates_come_in_any_order_with_others_between() -> None:
    good = snp_endorsements(MILAN, VCEK).certificates
    strangers = (
        endorsed_key(MILAN, VLEK).certificate,
        amd_vendor(MILAN).asvk,
        amd_vendor(GENOA).ask,
        endorsed_key(TURIN, VCEK).certificate,
        amd_vendor(MILAN).issue_vcek(hwid(MILAN), OTHER_LEVELS).certificate,
        amd_vendor(MILAN).issue_vcek(bytes(64), LEVELS).certificate,
        amd_vendor(MILAN).ark,
    )
    evidence = snp_evidence(make_report(MILAN))
    for certificates in ((*strangers, *good), (*reversed(good), *strangers)):
        assert _verify(evidence, Endorsements(certificates)) == _verify(evidence)


def test_a_list_of_the_root_covers_the_authority() -> None:
    until = NOW + timedelta(days=365)
    crl = amd_vendor(MILAN).make_crl(0x10101, now=NOW)
    claims = _verify(snp_evidence(make_report(MILAN)), snp_endorsements(MILAN, VCEK, crl))
    assert [each.what for each in claims.unchecked] == ["revocation of the VCEK"]
    assert claims.expires_at == int(until.timestamp())


# --- Each step, broken alone ---------------------------------------------------------------------

_Case = Callable[[], tuple[Evidence, Endorsements]]


def _of_another_line() -> tuple[Evidence, Endorsements]:
    """A Milan chip's key that Genoa's authority issued."""
    genoa = replace(amd_vendor(GENOA), line=replace(MILAN, name="Genoa"))
    key = genoa.issue_vcek(hwid(MILAN), LEVELS)
    evidence = snp_evidence(make_report(MILAN), key)
    return evidence, Endorsements((key.certificate, amd_vendor(GENOA).ask))


def _of_another_level() -> tuple[Evidence, Endorsements]:
    key = amd_vendor(MILAN).issue_vcek(hwid(MILAN), OTHER_LEVELS)
    evidence = snp_evidence(make_report(MILAN), key)
    return evidence, snp_endorsements(MILAN, VCEK, key=key.certificate)


def _of_another_chip() -> tuple[Evidence, Endorsements]:
    key = amd_vendor(MILAN).issue_vcek(b"\x99" * 64, LEVELS)
    evidence = snp_evidence(make_report(MILAN), key)
    return evidence, snp_endorsements(MILAN, VCEK, key=key.certificate)


def _of_another_layout() -> tuple[Evidence, Endorsements]:
    vendor = amd_vendor(MILAN)
    key = vendor.issue(VCEK, vendor.describe("Milan-B0", LEVELS)[:-1] + _identity())
    evidence = snp_evidence(make_report(MILAN), key)
    return evidence, snp_endorsements(MILAN, VCEK, key=key.certificate)


def _identity() -> list[x509.UnrecognizedExtension]:
    oid = x509.ObjectIdentifier("1.3.6.1.4.1.3704.1.4")
    return [x509.UnrecognizedExtension(oid, hwid(MILAN))]


def _of_another_root() -> tuple[Evidence, Endorsements]:
    vendor = make_amd_vendor(MILAN, replace(amd_keys(), ark=amd_keys().asvk), now=NOW)
    key = vendor.issue_vcek(hwid(MILAN), LEVELS)
    return snp_evidence(make_report(MILAN), key), Endorsements((key.certificate, vendor.ask))


BROKEN: dict[str, tuple[type[Refusal], _Case]] = {
    "snp.report-layout": (
        Malformed,
        lambda: (
            snp_evidence(make_report(MILAN, fields={0x1EB: b"\1"})),
            snp_endorsements(MILAN, VCEK),
        ),
    ),
    "snp.signing-key": (
        Unsigned,
        lambda: (snp_evidence(make_report(MILAN)), snp_endorsements(MILAN, VLEK)),
    ),
    "snp.endorsement-key": (Malformed, _of_another_layout),
    "snp.chain": (Unsigned, _of_another_root),
    "snp.product-line": (Unacceptable, _of_another_line),
    "snp.tcb": (Unacceptable, _of_another_level),
    "snp.chip-id": (Unacceptable, _of_another_chip),
    "snp.signature": (
        Unsigned,
        lambda: (
            snp_evidence(make_report(MILAN), endorsed_key(GENOA, VCEK)),
            snp_endorsements(MILAN, VCEK),
        ),
    ),
}


def test_steps_are_numbered_and_each_has_a_case() -> None:
    assert [step.number for step in STEPS] == list(range(1, len(STEPS) + 1))
    assert list(BROKEN) == [step.name for step in STEPS]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_what_breaks_one_step_is_refused_by_it(step: Any) -> None:
    kind, case = BROKEN[step.name]
    refusal = _refusal(kind, *case())
    assert refusal.step == step
    assert type(refusal) is kind


# --- The same steps, by every other way to break them --------------------------------------------


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"signing_key": NO_KEY}, "7, no key"),
        ({"signing_key": 2}, "2"),
        ({"fields": {0x48: b"\x02"}}, "MASK_CHIP_KEY is set: the chip's key signs nothing"),
    ],
    ids=["none", "reserved", "masked"],
)
def test_a_report_that_no_key_signed_is_refused(changes: dict[str, Any], seen: str) -> None:
    evidence = snp_evidence(make_report(MILAN, **changes), endorsed_key(MILAN, VCEK))
    refusal = _refusal(Unsigned, evidence)
    assert (refusal.seen, refusal.step) == (seen, STEPS[1])
    assert refusal.remedy is Remedy.RECONFIGURE_PLATFORM


@pytest.mark.parametrize(
    "endorsements",
    [
        Endorsements,
        lambda: Endorsements((amd_vendor(MILAN).ask,)),
    ],
    ids=["nothing", "the authority alone"],
)
def test_a_missing_key_is_asked_for(endorsements: Callable[[], Endorsements]) -> None:
    refusal = _refusal(Unsigned, snp_evidence(make_report(MILAN)), endorsements())
    assert refusal.subject == "certificate of the VCEK"
    assert refusal.remedy is Remedy.FULL_CHAIN


@pytest.mark.parametrize(
    "endorsements",
    [
        lambda: Endorsements((b"no certificate",)),
        lambda: Endorsements((amd_vendor(MILAN).ask,) * 33),
        lambda: Endorsements(snp_endorsements(MILAN, VCEK).certificates, (b"",) * 9),
    ],
    ids=["no certificate", "too many", "too many lists"],
)
def test_what_a_host_brings_is_bounded_and_read(endorsements: Callable[[], Endorsements]) -> None:
    evidence = snp_evidence(make_report(MILAN))
    assert _refusal(Malformed, evidence, endorsements()).step == STEPS[1]


def test_a_list_that_is_none_is_refused() -> None:
    endorsements = snp_endorsements(MILAN, VCEK, b"no list")
    assert _refusal(Malformed, snp_evidence(make_report(MILAN)), endorsements).step == STEPS[3]


def test_a_revoked_authority_is_refused() -> None:
    crl = amd_vendor(MILAN).make_crl(0x10001, now=NOW)
    endorsements = snp_endorsements(MILAN, VCEK, crl)
    refusal = _refusal(Unsigned, snp_evidence(make_report(MILAN)), endorsements)
    assert refusal.step == STEPS[3]
    assert refusal.seen.startswith("serial 0x10001 ")
    # The provider's authority is another.
    report = make_report(MILAN, signing_key=VLEK)
    _verify(snp_evidence(report), snp_endorsements(MILAN, VLEK, crl))


@pytest.mark.parametrize(
    "roots",
    [
        Roots,
        lambda: Roots(vendor_roots()),
        lambda: amd_roots(GENOA, TURIN),
        lambda: Roots((Root(Anchors.INTEL_SGX, "emulated", amd_vendor(MILAN).ark),)),
    ],
    ids=["none", "AMD's own", "other lines", "of another platform"],
)
def test_another_root_is_refused(roots: Callable[[], Roots]) -> None:
    refusal = _refusal(Unsigned, snp_evidence(make_report(MILAN)), roots=roots())
    assert refusal.step == STEPS[3]
    assert "CN=SEV-Milan" in refusal.subject


def test_a_missing_authority_is_asked_for() -> None:
    endorsements = Endorsements((endorsed_key(MILAN, VCEK).certificate,))
    refusal = _refusal(Unsigned, snp_evidence(make_report(MILAN)), endorsements)
    assert "CN=SEV-VCEK" in refusal.subject
    assert refusal.remedy is Remedy.FULL_CHAIN


@pytest.mark.parametrize("days", [-2, 7 * 365])
def test_certificates_have_to_be_in_date(days: int) -> None:
    moment = int((NOW + timedelta(days=days)).timestamp())
    refusal = _refusal(Expired, snp_evidence(make_report(MILAN)), now=moment)
    assert refusal.step == STEPS[3]
    assert "CN=SEV-VCEK" in refusal.subject


@pytest.mark.parametrize("kind", [VCEK, VLEK], ids=["VCEK", "VLEK"])
def test_an_authority_issues_one_kind_of_key_only(kind: int) -> None:
    """A provider's key by the chips' authority, and the other way round."""
    vendor = amd_vendor(MILAN)
    other = VCEK if kind == VLEK else VLEK
    own = list(load_certificate(endorsed_key(MILAN, kind).certificate, subject="").extensions)
    key = vendor.issue(other, [_raw_extension(each) for each in own])
    evidence = snp_evidence(make_report(MILAN, signing_key=kind), key)
    endorsements = Endorsements((key.certificate, vendor.ask, vendor.asvk))
    refusal = _refusal(Unacceptable, evidence, endorsements)
    assert refusal.step == STEPS[4]
    wanted = "SEV-VLEK-Milan" if kind == VLEK else "SEV-Milan"
    assert refusal.wanted == f"{wanted}, ARK-Milan"


def _raw_extension(extension: x509.Extension[x509.ExtensionType]) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(extension.oid, extension.value.public_bytes())


def test_a_root_that_is_the_key_itself_vouches_for_no_line() -> None:
    """Not even a caller that trusts a key's own certificate as a root."""
    endorsements = snp_endorsements(MILAN, VCEK)
    roots = Roots((Root(Anchors.AMD_SNP, "emulated", endorsements.certificates[0]),))
    evidence = snp_evidence(make_report(MILAN))
    refusal = _refusal(Unacceptable, evidence, endorsements, roots=roots)
    assert refusal.step == STEPS[4]
    assert refusal.seen == ""


@pytest.mark.parametrize("version", [3, 5])
@pytest.mark.parametrize("other", [GENOA, TURIN], ids=lambda line: line.name)
def test_cpuid_of_another_line_is_refused(version: int, other: Line) -> None:
    report = make_report(MILAN, version, fields={0x188: bytes(other.cpuid)})
    refusal = _refusal(Unacceptable, snp_evidence(report))
    assert refusal.step == STEPS[4]
    assert (refusal.seen, refusal.wanted) == (other.name, "Milan")


def test_cpuid_of_an_unknown_processor_is_refused() -> None:
    report = make_report(MILAN, fields={0x188: b"\x1b"})
    assert _refusal(Malformed, snp_evidence(report)).step == STEPS[4]


@LINES
@pytest.mark.parametrize("at", range(8))
def test_every_byte_of_the_tcb_is_the_keys(line: Line, at: int) -> None:
    tcb = bytearray(LEVELS.pack(line))
    tcb[at] += 1
    evidence = snp_evidence(make_report(line, fields={0x180: bytes(tcb)}))
    refusal = _refusal(Unacceptable, evidence, snp_endorsements(line, VCEK))
    assert refusal.step == STEPS[5]
    assert refusal.seen == f"{tcb[at]} in REPORTED_TCB"
    assert refusal.remedy is Remedy.REFRESH_COLLATERAL


def test_a_providers_key_is_of_one_level_too() -> None:
    report = make_report(MILAN, signing_key=VLEK, levels=OTHER_LEVELS)
    refusal = _refusal(Unacceptable, snp_evidence(report), snp_endorsements(MILAN, VLEK))
    assert (refusal.step, refusal.subject) == (STEPS[5], "TCB component snp")


@pytest.mark.parametrize(
    ("chip_id", "seen", "remedy"),
    [
        (bytes(64), "masked", Remedy.RECONFIGURE_PLATFORM),
        (b"\x99" * 64, "99" * 64, Remedy.REFRESH_COLLATERAL),
    ],
    ids=["masked", "another"],
)
def test_a_chips_key_signs_for_its_chip_only(chip_id: bytes, seen: str, remedy: Remedy) -> None:
    refusal = _refusal(Unacceptable, snp_evidence(make_report(MILAN, chip_id=chip_id)))
    assert (refusal.seen, refusal.remedy, refusal.step) == (seen, remedy, STEPS[6])


def test_turins_chip_is_eight_bytes_and_then_zeros() -> None:
    report = make_report(TURIN, 5, chip_id=hwid(TURIN) + b"\1" + bytes(55))
    refusal = _refusal(Unacceptable, snp_evidence(report), snp_endorsements(TURIN, VCEK))
    assert refusal.step == STEPS[6]


@pytest.mark.parametrize("offset", [0x2A0 + 48, 0x2A0 + 71, 0x2E8 + 48, 0x2E8 + 71])
def test_bytes_above_384_bits_of_a_signature_are_refused(offset: int) -> None:
    evidence = _altered(snp_evidence(make_report(MILAN)), offset, b"\1")
    refusal = _refusal(Malformed, evidence)
    assert refusal.step == STEPS[7]


@pytest.mark.parametrize(
    "part",
    [
        bytes(144),
        bytes(72) + b"\1" + bytes(71),
        b"\xff" * 48 + bytes(24) + b"\xff" * 48 + bytes(24),
    ],
    ids=["zero", "r zero", "above the order"],
)
def test_a_signature_that_is_none_is_refused(part: bytes) -> None:
    refusal = _refusal(Unsigned, _altered(snp_evidence(make_report(MILAN)), 0x2A0, part))
    assert refusal.step == STEPS[7]


# --- Bit flips -----------------------------------------------------------------------------------


def test_no_changed_bit_of_a_report_is_accepted() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    bits = random.Random(seed)
    for evidence, endorsements in (
        (snp_evidence(make_report(MILAN)), snp_endorsements(MILAN, VCEK)),
        (snp_evidence(make_report(TURIN, 5, signing_key=VLEK)), snp_endorsements(TURIN, VLEK)),
    ):
        for offset, byte in enumerate(evidence.raw):
            flipped = bytes((byte ^ 1 << bits.randrange(8),))
            _refusal(Refusal, _altered(evidence, offset, flipped), endorsements)


@pytest.mark.parametrize("index", [0, 1], ids=["key", "authority"])
def test_no_changed_bit_of_a_certificate_is_accepted(index: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    bits = random.Random(seed)
    evidence, endorsements = snp_evidence(make_report(MILAN)), snp_endorsements(MILAN, VCEK)
    whole = endorsements.certificates[index]
    for offset, byte in enumerate(whole):
        flipped = bytes((byte ^ 1 << bits.randrange(8),))
        changed = list(endorsements.certificates)
        changed[index] = whole[:offset] + flipped + whole[offset + 1 :]
        _refusal(Refusal, evidence, Endorsements(tuple(changed)))


def test_no_changed_bit_of_a_list_is_accepted_as_a_list() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    bits = random.Random(seed)
    evidence = snp_evidence(make_report(MILAN))
    unlisted = _verify(evidence)
    whole = amd_vendor(MILAN).make_crl(0x10001, now=NOW)
    for offset, byte in enumerate(whole):
        flipped = bytes((byte ^ 1 << bits.randrange(8),))
        crl = whole[:offset] + flipped + whole[offset + 1 :]
        try:
            claims = _verify(evidence, snp_endorsements(MILAN, VCEK, crl))
        except Refusal:
            continue
        # In another's name it is nobody's: what was not checked is said.
        assert claims == unlisted


@pytest.mark.parametrize("size", [0, 1, 1183, 1185, 2**16])
def test_cut_and_longer_reports_are_refused(size: int) -> None:
    raw = snp_evidence(make_report(MILAN)).raw.ljust(size, b"\0")[:size]
    assert _refusal(Malformed, Evidence(EvidenceFormat.SNP_REPORT, raw)).step == STEPS[0]


# --- A key alone ---------------------------------------------------------------------------------


@LINES
@pytest.mark.parametrize("kind", [VCEK, VLEK], ids=["VCEK", "VLEK"])
def test_a_key_is_verified_without_a_report(line: Line, kind: int) -> None:
    certificate, authority = snp_endorsements(line, kind).certificates
    endorsed = verify_endorsement_key(
        certificate, Endorsements((authority,)), roots=amd_roots(MILAN, GENOA, TURIN), now=AT
    )
    assert endorsed.key.kind == kind
    assert endorsed.key.line == line.name
    assert endorsed.chain.root_der == amd_vendor(line).ark


@pytest.mark.parametrize(
    ("certificate", "kind", "number"),
    [
        (lambda: b"no certificate", Malformed, 3),
        (lambda: amd_vendor(MILAN).ask, Malformed, 3),
        (lambda: endorsed_key(MILAN, VLEK).certificate, Unsigned, 4),
        (lambda: _of_another_line()[1].certificates[0], Unsigned, 4),
    ],
    ids=["nothing", "an authority", "of another authority", "of another line"],
)
def test_a_key_that_does_not_lead_to_a_root_is_refused(
    certificate: Callable[[], bytes], kind: type[Refusal], number: int
) -> None:
    endorsements = Endorsements((amd_vendor(MILAN).ask,))
    with pytest.raises(kind) as caught:
        verify_endorsement_key(
            certificate(), endorsements, roots=amd_roots(MILAN, GENOA, TURIN), now=AT
        )
    assert caught.value.step == STEPS[number - 1]


def test_a_report_is_shown_without_being_verified() -> None:
    evidence = _altered(snp_evidence(make_report(MILAN)), 0x90, b"\xaa")
    tree = {child.name: child.value for child in show(evidence).children}
    assert tree["MEASUREMENT"].startswith("aa11")
    with pytest.raises(Malformed):
        show(Evidence(EvidenceFormat.SNP_REPORT, b""))


def test_keys_by_nobody_are_refused() -> None:
    """A certificate with AMD's extensions that its own key signed."""
    key = ec.generate_private_key(ec.SECP384R1())
    own = load_certificate(endorsed_key(MILAN, VCEK).certificate, subject="a key").extensions
    forged = make_certificate(
        "SEV-VCEK",
        key=key,
        is_ca=False,
        extensions=[(_raw_extension(each), False) for each in own],
    )
    evidence = snp_evidence(make_report(MILAN), EndorsedKey(forged.der, key))
    refusal = _refusal(Unsigned, evidence, snp_endorsements(MILAN, VCEK, key=forged.der))
    assert refusal.step == STEPS[3]
