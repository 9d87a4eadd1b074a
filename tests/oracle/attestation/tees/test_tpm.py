import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from enclave.domain.errors import MalformedEvidence
from oracle.attestation.claims import Claims, DebugState, Measurement, Tee
from oracle.attestation.codecs.tpm import show_quote
from oracle.attestation.codecs.tree import Node
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, EvidenceFormat, Part
from oracle.attestation.findings import Expired, Malformed, Refusal, Unsigned
from oracle.attestation.roots import Anchors, PinnedKey, Root, Roots
from oracle.attestation.tees import tpm
from tests.fakes import tpm_evidence as fake
from tests.fakes.event_logs import extended, log_event, log_header, old_event
from tests.fakes.x509_authority import END, NOW, Authority, make_certificate

AT = int(NOW.timestamp())
AIK = x509.ExtendedKeyUsage([x509.ObjectIdentifier("2.23.133.8.3")])
LOG = log_header(("sha256", "sha384")) + b"".join(
    log_event(register, data, algorithms=("sha256", "sha384"))
    for register, data in ((0, b"firmware"), (4, b"loader"), (4, b"kernel"))
)
BOOTED = {
    bank: {
        0: extended(bank, b"firmware"),
        4: extended(bank, b"loader", b"kernel"),
        9: fake.registers(bank)[9],
    }
    for bank in ("sha256", "sha384")
}


@dataclass(frozen=True)
class Case:
    """A machine whose evidence passes, unless something is changed."""

    key: Any = field(default_factory=fake.rsa_key)
    quoting: fake.Quoting = field(default_factory=lambda: fake.Quoting(banks=BOOTED))
    scheme: int = fake.RSASSA
    parts: Mapping[Part, bytes | None] = field(default_factory=dict)
    endorsements: Endorsements = field(default_factory=Endorsements)
    roots: Roots | None = None
    now: int = AT

    @property
    def evidence(self) -> Evidence:
        attest = self.quoting.attest
        parts: dict[Part, bytes | None] = {
            Part.TPM_SIGNATURE: fake.sign(
                self.key, attest, algorithm=self.quoting.hash, scheme=self.scheme
            ),
            Part.PCR_VALUES: self.quoting.values,
            Part.AK_PUBLIC: fake.pem(self.key),
            Part.EVENT_LOG: LOG,
            **self.parts,
        }
        given = {part: raw for part, raw in parts.items() if raw is not None}
        return Evidence(EvidenceFormat.TPM_QUOTE, attest, given)

    def verify(self, evidence: Evidence | None = None) -> Claims:
        roots = self.roots or Roots(keys=(PinnedKey(fake.der(self.key)),))
        return tpm.verify(evidence or self.evidence, self.endorsements, roots=roots, now=self.now)


GOOD = Case()


def test_a_pinned_keys_quote_is_claimed_field_by_field() -> None:
    key_id = hashlib.sha256(fake.der(GOOD.key)).digest()
    claims = GOOD.verify()
    digest = hashlib.sha256(b"".join(v for bank in BOOTED.values() for v in bank.values()))
    assert replace(claims, unchecked=()) == Claims(
        format=EvidenceFormat.TPM_QUOTE,
        tee=Tee.TPM,
        root_id=key_id,
        measurements=(
            *(
                Measurement(f"pcr{n}", bank, value)
                for bank, values in BOOTED.items()
                for n, value in values.items()
            ),
            Measurement("pcr-digest", "sha256", digest.digest()),
        ),
        tcb=None,
        debug=DebugState.UNKNOWN,
        hardware_id=key_id,
        report_data=b"nonce of the caller",
        issued_at=None,
        expires_at=None,
        facts={
            "nonce-present": True,
            "pcr-bank": "sha256,sha384",
            "signature-scheme": "rsassa-sha256",
            "qualified-signer": GOOD.quoting.signer,
            "clock-ms": 1_234_567,
            "clock-safe": True,
            "reset-count": 2,
            "restart-count": 1,
            "firmware-version": 0x2030_0101_0000_0001,
            "event-log-registers": "0,4",
        },
    )
    assert [item.what for item in claims.unchecked] == [
        "revocation of the attestation key",
        "attributes of the attestation key",
    ]


def _described(key: Any, **changes: Any) -> Case:
    make = fake.ec_public if isinstance(key, ec.EllipticCurvePrivateKey) else fake.rsa_public
    public = make(key, **changes)
    quoting = fake.Quoting(signer=fake.qualified_name(public), banks=BOOTED)
    return Case(key=key, quoting=quoting, parts={Part.AK_PUBLIC: public})


@pytest.mark.parametrize(
    "case",
    [
        Case(key=fake.ec_key()),
        Case(key=fake.ec_key(curve=ec.SECP384R1)),
        Case(scheme=fake.RSAPSS),
        Case(quoting=fake.Quoting(banks=BOOTED, hash="sha384")),
        Case(quoting=fake.Quoting(banks=BOOTED, hash="sha512"), key=fake.ec_key()),
        Case(quoting=fake.Quoting(banks={"sha256": BOOTED["sha256"]})),
        _described(fake.rsa_key()),
        _described(fake.ec_key()),
    ],
)
def test_every_kind_of_key_and_bank_passes(case: Case) -> None:
    claims = case.verify()
    assert claims.measurement("pcr4", "sha256") == BOOTED["sha256"][4]
    assert claims.facts["event-log-registers"] == "0,4"


def test_a_bare_signature_passes() -> None:
    signature = fake.bare(GOOD.evidence.parts[Part.TPM_SIGNATURE])
    assert Case(parts={Part.TPM_SIGNATURE: signature}).verify() == GOOD.verify()


def test_a_log_of_the_older_form_explains_a_bank_of_sha1() -> None:
    banks = {"sha1": {0: extended("sha1", b"firmware"), 1: bytes(20)}}
    log = old_event(0, b"firmware")
    case = Case(quoting=fake.Quoting(banks=banks), parts={Part.EVENT_LOG: log})
    assert case.verify().facts["event-log-registers"] == "0"
    with pytest.raises(Malformed, match="has no sha256 digest"):
        Case(parts={Part.EVENT_LOG: log}).verify()


def test_a_quote_without_nonce_says_so() -> None:
    claims = Case(quoting=fake.Quoting(banks=BOOTED, nonce=b"")).verify()
    assert (claims.report_data, claims.facts["nonce-present"]) == (b"", False)


def _unchecked(claims: Claims) -> list[str]:
    return [item.what for item in claims.unchecked]


def test_without_values_and_log_the_digest_alone_is_claimed() -> None:
    claims = Case(parts={Part.PCR_VALUES: None, Part.EVENT_LOG: None}).verify()
    assert [measured.name for measured in claims.measurements] == ["pcr-digest"]
    assert _unchecked(claims)[:2] == ["PCR values", "event log"]


def test_a_key_is_known_to_be_restricted_only_if_the_quotes_signer_names_it() -> None:
    what = "attributes of the attestation key"
    named = _described(fake.rsa_key())
    assert what not in _unchecked(named.verify())
    stranger = replace(named, quoting=replace(named.quoting, signer=b"\0\x0b" + bytes(32)))
    assert what in _unchecked(stranger.verify())


ROOT = make_certificate("root of TPMs")
CA = ROOT.issue("issuer", path_length=0)


def certified(leaf: Authority | None = None, **changes: Any) -> Case:
    """A machine whose key has a certificate."""
    key = fake.rsa_key("certified")
    leaf = leaf or CA.issue("attestation key", key=key, is_ca=False, extensions=((AIK, False),))
    settings: dict[str, Any] = {
        "key": key,
        "parts": {Part.AK_PUBLIC: None},
        "endorsements": Endorsements((CA.der, leaf.der)),
        "roots": Roots((Root(Anchors.TPM, "maker", ROOT.der),)),
    }
    return Case(**{**settings, **changes})


@pytest.mark.parametrize("anchors", [Anchors.TPM, Anchors.AZURE_VTPM, Anchors.GOOGLE_VTPM])
@pytest.mark.parametrize("is_key_given", [True, False])
def test_a_certified_keys_quote_passes(anchors: Anchors, is_key_given: bool) -> None:
    case = certified(roots=Roots((Root(anchors, "maker", ROOT.der),)))
    if is_key_given:
        case = replace(case, parts={Part.AK_PUBLIC: fake.pem(case.key)})
    claims = case.verify()
    assert claims.root_id == hashlib.sha256(ROOT.der).digest()
    assert claims.hardware_id == hashlib.sha256(fake.der(case.key)).digest()
    assert claims.expires_at == int(END.timestamp())
    assert claims.facts["ak-certificate-subject"] == "CN=attestation key"
    assert claims.facts["ak-certificate-issuer"] == "CN=issuer"
    assert "revocation of the attestation key" in _unchecked(claims)


def test_a_revocation_list_of_the_issuer_is_used() -> None:
    case = certified()
    lists = (CA.revoke(5),)
    claims = replace(
        case,
        endorsements=replace(
            case.endorsements, crls=tuple(crl.public_bytes(Encoding.DER) for crl in lists)
        ),
    ).verify()
    assert "revocation of the attestation key" not in _unchecked(claims)
    assert claims.expires_at == int((NOW + timedelta(hours=12)).timestamp())


def test_roots_of_other_things_anchor_no_tpm() -> None:
    roots = Roots(
        tuple(Root(anchors, "other", ROOT.der) for anchors in Anchors if "tpm" not in anchors)
    )
    with pytest.raises(Unsigned):
        certified(roots=roots).verify()


OTHER = fake.rsa_key("other")
_WRONG_LOG = LOG + log_event(0, b"more", algorithms=("sha256", "sha384"))

#: Step -> evidence that fails it alone.
BROKEN: dict[str, tuple[Case, type[Refusal]]] = {
    "tpm.format": (Case(quoting=fake.Quoting(banks=BOOTED, safe=2)), Malformed),
    "tpm.attestation-key": (Case(roots=Roots(keys=(PinnedKey(fake.der(OTHER)),))), Unsigned),
    "tpm.restricted-key": (_described(fake.rsa_key(), attributes=0x0004_0072), Unsigned),
    "tpm.signature": (
        Case(parts={Part.TPM_SIGNATURE: fake.sign(OTHER, GOOD.quoting.attest)}),
        Unsigned,
    ),
    "tpm.generated": (Case(quoting=fake.Quoting(banks=BOOTED, magic=0xFF544348)), Unsigned),
    "tpm.registers": (
        Case(
            parts={
                Part.PCR_VALUES: fake.Quoting(
                    banks={**BOOTED, "sha256": {**BOOTED["sha256"], 9: bytes(32)}}
                ).values
            }
        ),
        Unsigned,
    ),
    "tpm.event-log": (Case(parts={Part.EVENT_LOG: _WRONG_LOG}), Unsigned),
}


def test_every_step_has_its_case() -> None:
    assert list(BROKEN) == [step.name for step in tpm.STEPS]
    assert [step.number for step in tpm.STEPS] == list(range(1, len(tpm.STEPS) + 1))


@pytest.mark.parametrize("name", BROKEN)
def test_each_step_refuses_its_case(name: str) -> None:
    case, kind = BROKEN[name]
    with pytest.raises(kind) as refusal:
        case.verify()
    assert refusal.value.step is not None
    assert refusal.value.step.name == name


@pytest.mark.parametrize(
    ("case", "step", "kind"),
    [
        (Case(parts={Part.TPM_SIGNATURE: None}), tpm.FORMAT, Malformed),
        (Case(parts={Part.PCR_VALUES: b"[]"}), tpm.FORMAT, Malformed),
        (Case(parts={Part.AK_PUBLIC: b""}), tpm.FORMAT, Malformed),
        (Case(parts={Part.AK_PUBLIC: None}), tpm.ATTESTATION_KEY, Unsigned),
        (certified(parts={Part.AK_PUBLIC: fake.pem(OTHER)}), tpm.ATTESTATION_KEY, Unsigned),
        (certified(now=int(END.timestamp()) + 1), tpm.ATTESTATION_KEY, Expired),
        (Case(key=fake.rsa_key("short", 1024)), tpm.SIGNATURE, Unsigned),
        (Case(key=fake.rsa_key("short", 1024), scheme=fake.RSAPSS), tpm.SIGNATURE, Unsigned),
        (
            Case(parts={Part.TPM_SIGNATURE: fake.sign(fake.ec_key(), GOOD.quoting.attest)}),
            tpm.SIGNATURE,
            Unsigned,
        ),
        (
            Case(
                key=fake.ec_key(),
                parts={Part.TPM_SIGNATURE: fake.sign(fake.rsa_key(), GOOD.quoting.attest)},
            ),
            tpm.SIGNATURE,
            Unsigned,
        ),
        (Case(quoting=fake.Quoting(banks=BOOTED, digest=b"")), tpm.REGISTERS, Unsigned),
        (Case(parts={Part.EVENT_LOG: b""}), tpm.EVENT_LOG, Malformed),
        (Case(parts={Part.EVENT_LOG: log_header(("sha256",))}), tpm.EVENT_LOG, Unsigned),
        (
            Case(parts={Part.EVENT_LOG: log_header() + log_event(0, b"firmware")}),
            tpm.EVENT_LOG,
            Malformed,
        ),
        (Case(parts={Part.PCR_VALUES: None}), tpm.EVENT_LOG, Unsigned),
    ],
)
def test_what_else_a_step_refuses(case: Case, step: Any, kind: type[Refusal]) -> None:
    with pytest.raises(kind) as refusal:
        case.verify()
    assert refusal.value.step is step


def _flips(raw: bytes, choose: random.Random) -> list[bytes]:
    """One bit of every byte."""
    flipped = []
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 1 << choose.randrange(8)
        flipped.append(bytes(changed))
    return flipped


@pytest.mark.parametrize("key", [fake.rsa_key(), fake.ec_key()])
def test_no_flipped_bit_of_quote_or_signature_is_accepted(key: Any) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    choose = random.Random(seed)
    case = Case(key=key)
    evidence = case.evidence
    case.verify(evidence)
    for raw in _flips(evidence.raw, choose):
        with pytest.raises(Refusal):
            case.verify(replace(evidence, raw=raw))
    for raw in _flips(evidence.parts[Part.TPM_SIGNATURE], choose):
        with pytest.raises(Refusal):
            case.verify(replace(evidence, parts={**evidence.parts, Part.TPM_SIGNATURE: raw}))


def _lasting(claims: Claims) -> tuple[Claims, set[str]]:
    """Claims without what an unsigned part may take away; and which registers are explained."""
    facts = dict(claims.facts)
    explained = str(facts.pop("event-log-registers"))
    return replace(claims, unchecked=(), facts=facts), set(explained.split(","))


@pytest.mark.parametrize("part", [Part.PCR_VALUES, Part.AK_PUBLIC, Part.EVENT_LOG])
def test_flipped_bits_of_unsigned_parts_add_no_claim(part: Part) -> None:
    """Harmless: the case of hexadecimal digits, a key's unsigned policy, an event's data, and all
    that makes a log explain fewer registers."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    case = _described(fake.rsa_key())
    evidence = case.evidence
    claims, explained = _lasting(case.verify(evidence))
    accepted = 0
    for raw in _flips(evidence.parts[part], random.Random(seed)):
        try:
            found = case.verify(replace(evidence, parts={**evidence.parts, part: raw}))
        except Refusal:
            continue
        accepted += 1
        lasting, fewer = _lasting(found)
        assert lasting == claims
        assert fewer <= explained
    assert accepted < len(evidence.parts[part]) // 2


def test_all_parts_are_shown() -> None:
    shown = tpm.show(_described(fake.rsa_key()).evidence)
    assert [child.name for child in shown.children] == [
        "TPMS_ATTEST",
        "TPMT_SIGNATURE",
        "TPMT_PUBLIC",
        "PCR values",
        "event log",
    ]
    alone = Evidence(EvidenceFormat.TPM_QUOTE, GOOD.quoting.attest)
    assert tpm.show(alone) == Node("TPM quote", children=(show_quote(alone.raw),))


def test_showing_verifies_nothing_and_refuses_what_does_not_decode() -> None:
    tpm.show(BROKEN["tpm.generated"][0].evidence)
    with pytest.raises(MalformedEvidence):
        tpm.show(Case(parts={Part.EVENT_LOG: b"none"}).evidence)
    with pytest.raises(MalformedEvidence):
        tpm.show(Evidence(EvidenceFormat.TPM_QUOTE, b""))
