"""A path to a trusted root is found and every link of it holds, or the refusal says which fails."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA224
from cryptography.hazmat.primitives.serialization import Encoding

from oracle.attestation.codecs.chains import (
    MAX_CERTIFICATES,
    MAX_CRLS,
    MAX_DEPTH,
    MAX_TRIES,
    Chain,
    check_revocation,
    load_certificate,
    load_crl,
    verify_chain,
)
from oracle.attestation.findings import Expired, Malformed, Refusal, Remedy, Unsigned
from oracle.attestation.roots import vendor_roots
from tests.fakes.x509_authority import (
    BEGIN,
    END,
    NOW,
    Authority,
    make_certificate,
    usage,
)

DAY = timedelta(days=1)
SIGNS_ALL = usage(certificates=True, lists=True)
ROOT = make_certificate("root", usage=SIGNS_ALL, end=END + DAY)
CA = ROOT.issue("ca", usage=SIGNS_ALL, path_length=0)
LEAF = CA.issue("leaf", is_ca=False)


def _verify(
    leaf: Authority = LEAF,
    others: Sequence[Authority] = (CA,),
    roots: Sequence[Authority] = (ROOT,),
    *,
    now: datetime = NOW,
    crls: Sequence[x509.CertificateRevocationList] = (),
    understood: frozenset[x509.ObjectIdentifier] = frozenset(),
) -> Chain:
    return verify_chain(
        leaf.certificate,
        [other.certificate for other in others],
        [root.certificate for root in roots],
        now=int(now.timestamp()),
        crls=crls,
        understood=understood,
    )


def _refusal(kind: type[Refusal], *args: Any, **kwargs: Any) -> Refusal:
    with pytest.raises(kind) as caught:
        _verify(*args, **kwargs)
    return caught.value


def test_a_path_goes_from_the_leaf_to_the_root() -> None:
    chain = _verify()
    assert chain.path == (LEAF.certificate, CA.certificate, ROOT.certificate)
    assert chain.leaf == LEAF.certificate
    assert chain.root_der == ROOT.der
    assert chain.expires_at == END.timestamp()
    assert chain.has_crls == (False, False)


def test_order_repetition_strangers_and_roots_among_the_intermediates_do_not_matter() -> None:
    stranger = make_certificate("stranger")
    assert _verify(others=(stranger, ROOT, CA, LEAF, CA)) == _verify()
    assert _verify(roots=(stranger, ROOT)) == _verify()


def test_a_leaf_may_be_issued_by_the_root_or_be_it() -> None:
    leaf = ROOT.issue("leaf")
    assert _verify(leaf, ()).path == (leaf.certificate, ROOT.certificate)
    assert _verify(ROOT, ()).path == (ROOT.certificate,)


def test_a_path_may_have_eight_certificates_and_no_more() -> None:
    cas = [ROOT]
    for depth in range(MAX_DEPTH - 2):
        cas.append(cas[-1].issue(f"ca {depth}"))
    assert len(_verify(cas[-1].issue("leaf"), cas).path) == MAX_DEPTH
    cas.append(cas[-1].issue("one more"))
    refusal = _refusal(Unsigned, cas[-1].issue("leaf"), cas)
    assert refusal.subject == "certificate CN=ca 0"


@pytest.mark.parametrize(
    ("leaf", "others", "roots", "missing"),
    [
        (LEAF, (), (ROOT,), "certificate CN=leaf"),
        (LEAF, (CA,), (), "certificate CN=ca"),
        (LEAF, (CA, ROOT), (make_certificate("root"),), "certificate CN=root"),
        (LEAF, (make_certificate("ca"),), (ROOT,), "certificate CN=leaf"),
        (make_certificate("alone"), (), (ROOT,), "certificate CN=alone"),
    ],
    ids=["no CA", "no root", "another root of the name", "another CA of the name", "self-signed"],
)
def test_a_path_that_reaches_no_trusted_root_is_refused(
    leaf: Authority, others: tuple[Authority, ...], roots: tuple[Authority, ...], missing: str
) -> None:
    refusal = _refusal(Unsigned, leaf, others, roots)
    assert refusal.subject == missing
    assert refusal.remedy is Remedy.FULL_CHAIN


def test_authorities_that_issued_each_other_lead_nowhere() -> None:
    one = make_certificate("one")
    other = one.issue("other")
    again = make_certificate("one", key=one.key, issuer=other)
    leaf = other.issue("leaf")
    assert _refusal(Unsigned, leaf, (again, other)).subject == "certificate CN=one"


def test_each_of_two_issuers_of_one_name_is_tried() -> None:
    other = make_certificate("ca")
    assert _verify(others=(other, CA)) == _verify(others=(CA, other)) == _verify()


def test_a_root_that_was_renewed_stands_beside_the_one_that_expired() -> None:
    expired = make_certificate("root", key=ROOT.key, end=NOW - DAY)
    assert _verify(roots=(expired, ROOT)) == _verify(roots=(ROOT, expired)) == _verify()
    refusal = _refusal(Expired, roots=(expired,))
    assert refusal.subject == "certificate CN=root"


def test_a_renewed_authority_stands_beside_the_one_that_expired() -> None:
    expired = ROOT.issue("ca", key=CA.key, end=NOW - DAY)
    assert _verify(others=(expired, CA)) == _verify()
    assert _refusal(Expired, others=(expired,)).subject == "certificate CN=ca"


def test_a_cross_signature_of_a_root_that_is_not_trusted_does_not_stand_in_the_way() -> None:
    foreign = make_certificate("foreign")
    crossed = foreign.issue("ca", key=CA.key)
    assert _verify(others=(crossed, foreign, CA)) == _verify()


def test_the_first_refusal_is_told_where_none_of_several_paths_passes() -> None:
    expired = ROOT.issue("ca", key=CA.key, end=NOW - DAY)
    foreign = make_certificate("foreign").issue("ca", key=CA.key)
    _refusal(Expired, others=(expired, foreign))
    _refusal(Unsigned, others=(foreign, expired))


def test_certificates_of_one_name_are_tried_within_a_bound() -> None:
    others = [make_certificate("ca") for _ in range(MAX_TRIES - 2)]
    assert _verify(others=(*others, CA)) == _verify()
    assert _refusal(Unsigned, others=(*others, others[0], make_certificate("ca"), CA)).subject == (
        "certificate CN=ca"
    )
    many = [make_certificate("ca") for _ in range(2)]
    assert _refusal(Unsigned, others=(*others, *many, CA)).subject == "certificate CN=leaf"


@pytest.mark.parametrize(
    ("bounds", "what"),
    [
        ({"others": (CA,) * (MAX_CERTIFICATES + 1)}, "33 certificates"),
        ({"crls": (ROOT.revoke(),) * (MAX_CRLS + 1)}, "9 revocation lists"),
    ],
    ids=["certificates", "lists"],
)
def test_what_a_host_may_bring_is_bounded(bounds: dict[str, Any], what: str) -> None:
    assert _refusal(Malformed, **bounds).seen == what


def test_a_root_with_a_name_of_84_characters_is_read_without_a_warning() -> None:
    # Google's first root of endorsement keys; warnings fail tests.
    (der,) = (root.der for root in vendor_roots() if b"tpm_ek_v1_cloud_host_root" in root.der)
    root = load_certificate(der, subject="root")
    now = int(NOW.timestamp())
    assert verify_chain(root, (), [root], now=now).leaf == root
    with pytest.raises(Unsigned, match="tpm_ek_v1_cloud_host_root"):
        verify_chain(root, (CA.certificate,), [ROOT.certificate], now=now)


def _renamed(old: bytes, new: bytes, tag: bytes = b"\x0c") -> x509.Certificate:
    """The leaf with another subject or issuer; its signature stays."""
    head = b"\x0c" + bytes((len(old),))
    assert head + old in LEAF.der
    return load_certificate(LEAF.der.replace(head + old, tag + head[1:] + new), subject="the leaf")


@pytest.mark.parametrize("old", [b"leaf", b"ca"], ids=["subject", "issuer"])
def test_a_changed_certificate_is_refused(old: bytes) -> None:
    changed = _renamed(old, old.upper())
    assert changed != LEAF.certificate
    with pytest.raises(Unsigned):
        verify_chain(changed, [CA.certificate], [ROOT.certificate], now=int(NOW.timestamp()))


@pytest.mark.parametrize("old", [b"leaf", b"ca"], ids=["subject", "issuer"])
@pytest.mark.parametrize(
    ("tag", "first"), [(b"\x0c", b"\xff"), (b"\x03", b"\0")], ids=["not-utf-8", "bit-string"]
)
def test_names_that_cannot_be_read_are_nobodys(old: bytes, tag: bytes, first: bytes) -> None:
    changed = _renamed(old, first + old[1:], tag)
    with pytest.raises(Unsigned):
        verify_chain(changed, [CA.certificate], [ROOT.certificate], now=int(NOW.timestamp()))
    chain = verify_chain(
        LEAF.certificate, [changed, CA.certificate], [ROOT.certificate], now=int(NOW.timestamp())
    )
    assert chain == _verify()


@pytest.mark.parametrize(
    ("moment", "subject", "remedy"),
    [
        (BEGIN - timedelta(seconds=1), "leaf", Remedy.CHECK_TIME),
        (END + timedelta(seconds=1), "leaf", Remedy.NEW_EVIDENCE),
    ],
    ids=["before", "after"],
)
def test_a_moment_outside_a_window_is_refused(
    moment: datetime, subject: str, remedy: Remedy
) -> None:
    refusal = _refusal(Expired, now=moment)
    assert refusal.subject == f"certificate CN={subject}"
    assert refusal.remedy is remedy


@pytest.mark.parametrize("moment", [BEGIN, END], ids=["begin", "end"])
def test_both_ends_of_a_window_belong_to_it(moment: datetime) -> None:
    assert _verify(now=moment) == _verify()


@pytest.mark.parametrize("who", ["leaf", "ca", "root"])
def test_each_certificates_window_counts(who: str) -> None:
    ends = {each: END + DAY if each == who else END for each in ("leaf", "ca", "root")}
    begins = {each: NOW + DAY if each == who else BEGIN for each in ends}
    root = make_certificate("root", begin=begins["root"], end=ends["root"])
    ca = root.issue("ca", begin=begins["ca"], end=ends["ca"])
    leaf = ca.issue("leaf", begin=begins["leaf"], end=ends["leaf"])
    assert _refusal(Expired, leaf, (ca,), (root,)).subject == f"certificate CN={who}"
    assert _verify(leaf, (ca,), (root,), now=END).expires_at == END.timestamp()


@pytest.mark.parametrize("who", ["leaf", "ca", "root"])
def test_a_critical_extension_that_nobody_reads_is_refused_wherever_it_is(who: str) -> None:
    oid = x509.ObjectIdentifier("1.2.3.4")
    odd: dict[str, list[tuple[x509.ExtensionType, bool]]] = {
        each: [] for each in ("leaf", "ca", "root")
    } | {who: [(x509.UnrecognizedExtension(oid, b"\5\0"), True)]}
    root = make_certificate("root", extensions=odd["root"])
    ca = root.issue("ca", extensions=odd["ca"])
    leaf = ca.issue("leaf", is_ca=False, extensions=odd["leaf"])
    refusal = _refusal(Unsigned, leaf, (ca,), (root,))
    assert refusal.subject == f"certificate CN={who}"
    assert refusal.seen == "critical extension 1.2.3.4"
    assert _verify(leaf, (ca,), (root,), understood=frozenset({oid})).leaf == leaf.certificate


def test_extensions_that_are_not_critical_or_are_read_here_do_not_matter() -> None:
    extra = [
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"), False),
        (x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CODE_SIGNING]), True),
    ]
    leaf = CA.issue("leaf", is_ca=False, usage=SIGNS_ALL, extensions=extra)
    assert _verify(leaf).leaf == leaf.certificate


@pytest.mark.parametrize("who", ["leaf", "ca"])
def test_extensions_that_cannot_be_read_are_refused(who: str) -> None:
    broken = [(x509.UnrecognizedExtension(x509.KeyUsage.oid, b"no usage"), False)]
    ca = ROOT.issue("ca", extensions=broken if who == "ca" else ())
    leaf = ca.issue("leaf", extensions=broken if who == "leaf" else ())
    assert _refusal(Malformed, leaf, (ca,)).subject == f"certificate CN={who}"


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"is_ca": False}, "no basic constraints"),
        (
            {
                "is_ca": False,
                "extensions": [(x509.BasicConstraints(ca=False, path_length=None), True)],
            },
            "no CA",
        ),
        ({"path_length": 0}, "path length 0"),
        (
            {"usage": usage(certificates=False, lists=True)},
            "a key that may not sign certificates",
        ),
    ],
    ids=["no constraints", "no CA", "no room", "no usage"],
)
@pytest.mark.parametrize("who", ["root", "ca"])
def test_an_issuer_is_an_authority_with_room_below(
    who: str, changes: dict[str, Any], seen: str
) -> None:
    root = make_certificate("root", **(changes if who == "root" else {}))
    ca = root.issue("ca", **(changes if who == "ca" else {}))
    low = ca.issue("low")
    leaf = low.issue("leaf", is_ca=False)
    refusal = _refusal(Unsigned, leaf, (ca, low), (root,))
    assert refusal.subject == f"certificate CN={who}"
    assert refusal.seen == seen


def test_a_path_length_has_room_for_as_many_authorities_as_it_says() -> None:
    root = make_certificate("root", path_length=2)
    high = root.issue("high", path_length=1)
    low = high.issue("low", path_length=0)
    leaf = low.issue("leaf", is_ca=False)
    assert len(_verify(leaf, (high, low), (root,)).path) == 4


def _with_exponent(exponent: int) -> rsa.RSAPrivateKey:
    """A key that works, of 2,048 bits."""
    made = rsa.generate_private_key(65537, 2048).private_numbers()
    p, q = made.p, made.q
    d = pow(exponent, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(exponent, p * q)
    rest = (rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q))
    return rsa.RSAPrivateNumbers(p, q, d, *rest, public).private_key()


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 1024),
        # A prime, so that it is never a divisor of what it must not divide; verifying takes as
        # long as the exponent is.
        _with_exponent(2**32 + 15),
        ec.generate_private_key(ec.BrainpoolP512R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["short RSA", "long exponent", "another curve", "Ed25519"],
)
def test_an_issuer_of_another_kind_of_key_is_not_tried(key: Any) -> None:
    root = make_certificate("root", key=rsa.generate_private_key(65537, 2048))
    assert len(_verify(root.issue("leaf"), (), (root,)).path) == 2
    ca = root.issue("ca", key=key)
    leaf = ca.issue("leaf")
    assert _refusal(Unsigned, leaf, (ca,), (root,)).subject == "certificate CN=leaf"


def test_a_signature_over_a_short_digest_is_refused() -> None:
    leaf = CA.issue("leaf", digest=SHA224())
    refusal = _refusal(Unsigned, leaf)
    assert (refusal.seen, refusal.subject) == ("signed over sha224", "certificate CN=leaf")


def test_a_list_of_the_issuer_is_checked_and_ends_the_claim() -> None:
    crl = CA.revoke(1, 2, 3)
    chain = _verify(crls=(crl,))
    assert chain.has_crls == (True, False)
    assert chain.expires_at == int((NOW + timedelta(hours=12)).timestamp())
    assert _verify(crls=(crl, ROOT.revoke())).has_crls == (True, True)


def test_lists_can_be_checked_after_the_path() -> None:
    lists, now = (CA.revoke(1), ROOT.revoke()), int(NOW.timestamp())
    assert check_revocation(_verify(), lists, now=now) == _verify(crls=lists)
    revoked = CA.revoke(LEAF.certificate.serial_number)
    with pytest.raises(Unsigned):
        check_revocation(_verify(), (revoked,), now=now)
    with pytest.raises(Malformed):
        check_revocation(_verify(), (CA.revoke(),) * (MAX_CRLS + 1), now=now)


@pytest.mark.parametrize(("issuer", "revoked"), [(CA, LEAF), (ROOT, CA)], ids=["leaf", "ca"])
def test_a_revoked_certificate_is_refused(issuer: Authority, revoked: Authority) -> None:
    crl = issuer.revoke(5, revoked.certificate.serial_number)
    refusal = _refusal(Unsigned, crls=(crl,))
    assert refusal.seen.startswith(f"serial {revoked.certificate.serial_number:#x} ")
    assert refusal.remedy is Remedy.REPLACE_MACHINE
    assert _refusal(Unsigned, crls=(issuer.revoke(), crl)).remedy is Remedy.REPLACE_MACHINE


@pytest.mark.parametrize(
    "window",
    [
        {"begin": NOW + timedelta(seconds=1)},
        {"end": NOW - timedelta(seconds=1)},
    ],
    ids=["not yet", "no longer"],
)
def test_a_list_outside_its_window_is_refused(window: dict[str, Any]) -> None:
    refusal = _refusal(Expired, crls=(CA.revoke(**window),))
    assert refusal.subject == "revocation list of CN=ca"
    assert refusal.remedy is Remedy.REFRESH_COLLATERAL


def test_a_strangers_odd_name_is_read_without_a_warning() -> None:
    common_name, country = bytes.fromhex("0603550403"), bytes.fromhex("0603550406")
    encoded = make_certificate("stranger").revoke().public_bytes(Encoding.DER)
    odd = load_crl(encoded.replace(common_name, country))
    now = int(NOW.timestamp())
    # A country has two letters, which the library warns of; warnings are errors in tests.
    assert check_revocation(_verify(), (odd,), now=now) == _verify(crls=(odd,)) == _verify()


def test_lists_of_strangers_are_not_looked_at() -> None:
    stranger = make_certificate("stranger").revoke(
        LEAF.certificate.serial_number, end=NOW - timedelta(hours=1)
    )
    assert _verify(crls=(stranger,)) == _verify()
    unreadable = load_crl(
        CA.revoke().public_bytes(Encoding.DER).replace(b"\x0c\x02ca", b"\x0c\x02\xff\xff")
    )
    assert _verify(crls=(unreadable,)) == _verify()


def _extended(*extensions: tuple[x509.ExtensionType, bool]) -> x509.CertificateRevocationList:
    return CA.revoke(extensions=extensions)


_PART = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)


@pytest.mark.parametrize(
    "crl",
    [
        make_certificate("ca").revoke(),
        _extended((_PART, True)),
        _extended((x509.UnrecognizedExtension(x509.CRLNumber.oid, b"no number"), False)),
    ],
    ids=["another key", "of a part", "unreadable"],
)
def test_a_list_in_the_issuers_name_has_to_be_its_own_and_whole(
    crl: x509.CertificateRevocationList,
) -> None:
    refusal = _refusal(Unsigned, crls=(crl,))
    assert refusal.subject == "revocation list of CN=ca"
    # Beside the issuer's own it is another's of the same name.
    assert _verify(crls=(crl, CA.revoke())).has_crls == (True, False)


def test_an_issuer_whose_key_may_not_sign_lists_signs_none() -> None:
    ca = ROOT.issue("ca", usage=usage(certificates=True, lists=False))
    refusal = _refusal(Unsigned, ca.issue("leaf"), (ca,), crls=(ca.revoke(),))
    assert refusal.subject == "revocation list of CN=ca"


def test_an_issuer_without_key_usage_may_sign_lists() -> None:
    ca = ROOT.issue("ca")
    assert _verify(ca.issue("leaf"), (ca,), crls=(ca.revoke(),)).has_crls == (True, False)
