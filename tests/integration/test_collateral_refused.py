"""Intel's collateral on a real chain: what is refused, and what replaces what."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.crl import parse_crl
from oracle.attestation.codecs.dcap import parse_certificate
from oracle.attestation.codecs.pcs import (
    parse_tcb_info,
)
from oracle.devnet.silicon.collateral import LIFE
from oracle.devnet.silicon.documents import make_crl, render_tcb_info
from oracle.devnet.silicon.vendor import SiliconVendor
from tests.integration.collateral import (
    AT,
    DAY,
    MOST_GAS,
    NOW,
    SIGNED,
    Case,
    Chained,
    brought_by,
    case_of,
    collateral,
    construction_refusal,
    documents,
    name_hash,
    needs_vectors,
    publish,
    recorded,
    signed_arguments,
    silicon,
    under,
)
from tests.vectors.dcap_certificates import extension, reissue, usage


async def test_owner_supplied_collateral_is_refused() -> None:
    """Nobody can type in collateral: a text that the signer did not sign is no collateral."""
    async with silicon() as (_, case, contract):
        other = SiliconVendor(now=NOW - DAY)
        for function, document in documents(publish(other, now=NOW)).items():
            said = await contract.refusal(function, *signed_arguments(document, case.signer.id))
            assert "Signature" in said
        crl = make_crl(other.chain.root, (), now=NOW, life=LIFE)
        assert "Signature" in await contract.refusal("updateRootCrl", crl)
        crl = make_crl(other.chain.platform_ca, (), now=NOW, life=LIFE)
        assert "Signature" in await contract.refusal("updatePckCrl", crl, case.ca.id)
        for link in (other.chain.tcb_signer, other.chain.platform_ca):
            assert "Signature" in await contract.refusal("cacheAuthority", link.der)


async def test_older_never_replaces_newer() -> None:
    async with silicon() as (vendor, case, contract):
        older = publish(vendor, now=NOW - DAY)
        newer = publish(vendor, now=NOW)
        await contract.send("updatePckCrl", newer.pck_crl, case.ca.id)
        for crl in (older.pck_crl, newer.pck_crl):
            assert "NotNewer" in await contract.refusal("updatePckCrl", crl, case.ca.id)
        for crl in (older.root_crl, newer.root_crl):
            assert "NotNewer" in await contract.refusal("updateRootCrl", crl)
        for function, document in documents(newer).items():
            await contract.signed(function, document, case.signer.id)
            for again in (documents(older)[function], document):
                said = await contract.refusal(function, *signed_arguments(again, case.signer.id))
                assert "NotNewer" in said


async def test_newer_replaces_older() -> None:
    async with silicon() as (vendor, case, contract):
        for now in (NOW - 2 * DAY, NOW - DAY, NOW):
            published = publish(vendor, now=now)
            await contract.send("updatePckCrl", published.pck_crl, case.ca.id)
            for function, document in documents(published).items():
                await contract.signed(function, document, case.signer.id)
        number = vendor.collateral.number
        kept = await contract.ask("tcbInfo", 1, vendor.platform.fmspc, number)
        assert kept["issuedAt"] == AT
        assert (await contract.ask("evaluationNumbers", 1))["issuedAt"] == AT
        assert (await contract.ask("pckCrl", case.ca.id))["issuedAt"] == AT


async def test_a_crl_number_never_falls() -> None:
    async with silicon() as (vendor, case, contract):
        issuer = vendor.chain.platform_ca
        high = make_crl(issuer, (), now=NOW - DAY, life=LIFE, number=7)
        await contract.send("updatePckCrl", high, case.ca.id)
        low = make_crl(issuer, (), now=NOW, life=LIFE, number=6)
        assert "CrlNumber" in await contract.refusal("updatePckCrl", low, case.ca.id)
    case = case_of(SiliconVendor(now=NOW - 40 * DAY), now=AT)
    root = vendor.chain.root
    async with collateral(root.der, name_hash(case.signer.der), now=AT) as contract:
        high = make_crl(root, (), now=NOW - DAY, life=LIFE, number=7)
        await contract.send("updateRootCrl", high)
        low = make_crl(root, (), now=NOW, life=LIFE, number=6)
        assert "CrlNumber" in await contract.refusal("updateRootCrl", low)
        await contract.send("updateRootCrl", make_crl(root, (), now=NOW, life=LIFE, number=7))
        assert (await contract.ask("rootCrl"))["number"] == 7


async def test_evaluation_numbers_stand_side_by_side() -> None:
    """Who brings the early number takes nothing from those who meet the standard one."""
    async with silicon() as (vendor, case, contract):
        standard = documents(publish(vendor, now=NOW - DAY))
        vendor.collateral.recover_tcb(now=NOW - DAY)
        early = documents(publish(vendor, now=NOW))
        for document in (early, standard):
            for function in SIGNED[:2]:
                await contract.signed(function, document[function], case.signer.id)
        await contract.send("updatePckCrl", case.pck_crl, case.ca.id)
        number, fmspc, ca = vendor.collateral.number, vendor.platform.fmspc, case.ca.id
        for each, info in ((number, early), (number - 1, standard)):
            usable = await contract.ask("quoteCollateral", 1, fmspc, each, each, ca, False)
            assert usable["tcb"] == parse_tcb_info(info["updateTcbInfo"].text).digest
        for missing in (
            (1, fmspc, 99, number, ca, False),
            (1, fmspc, number, 99, ca, False),
            (2, fmspc, number, number, ca, False),
            (1, fmspc, number, number, case.signer.id, False),
            (1, fmspc, number, number, ca, True),
        ):
            assert "Missing" in await contract.refusal("quoteCollateral", *missing)


@pytest.mark.parametrize(
    ("shift", "wanted"), [(-LIFE - timedelta(seconds=1), "Expired"), (DAY, "NotYetValid")]
)
async def test_both_ends_of_a_window_bind(shift: timedelta, wanted: str) -> None:
    async with silicon() as (vendor, case, contract):
        published = publish(vendor, now=NOW + shift)
        for function, document in documents(published).items():
            said = await contract.refusal(function, *signed_arguments(document, case.signer.id))
            assert wanted in said
        assert wanted in await contract.refusal("updatePckCrl", published.pck_crl, case.ca.id)
        early = make_crl(vendor.chain.root, (), now=NOW + DAY, life=LIFE)
        assert "NotYetValid" in await contract.refusal("updateRootCrl", early)


async def test_a_document_is_usable_to_its_last_second_and_no_longer() -> None:
    async with silicon() as (vendor, case, contract):
        published = publish(vendor, now=NOW - LIFE)
        await contract.send("updatePckCrl", published.pck_crl, case.ca.id)
        for function, document in documents(published).items():
            await contract.signed(function, document, case.signer.id)
        fmspc, number = vendor.platform.fmspc, vendor.collateral.number
        quote = ("quoteCollateral", 1, fmspc, number, number, case.ca.id, True)
        ca = ("pckCollateral", case.ca.id)
        assert (await contract.ask(*ca))[-1] == AT
        assert (await contract.ask(*quote))["validUntil"] == AT
        await _pass_time(contract, 1)
        for view in (quote, ca):
            assert "Expired" in await contract.refusal(*view)
        # Suspended, never destroyed.
        kept = await contract.ask("tcbInfo", 1, fmspc, number)
        assert kept["validUntil"] == AT


async def test_nothing_is_usable_without_the_roots_crl() -> None:
    case = case_of(SiliconVendor(now=NOW - DAY), now=AT)
    async with under(case) as contract:
        for function, arguments, _ in brought_by(case)[1:]:
            assert "Missing" in await contract.refusal(function, *arguments)
        assert "Missing" in await contract.refusal("pckCollateral", case.ca.id)
        await contract.bring(case)
        await _pass_time(contract, 400 * 86_400)
        for function, arguments, _ in brought_by(case)[1:]:
            assert "Expired" in await contract.refusal(function, *arguments)
        assert "Expired" in await contract.refusal("pckCollateral", case.ca.id)


async def _pass_time(contract: Chained, seconds: int) -> None:
    """One block that much later, then time stands still again."""
    for interval in (seconds, 0):
        await contract.chain.call("anvil_setBlockTimestampInterval", interval)
        await contract.chain.call("anvil_mine", hex(1))


async def test_a_crl_binds_to_its_issuer() -> None:
    async with silicon() as (vendor, case, contract):
        own = publish(vendor, now=NOW)
        assert "Issuer" in await contract.refusal("updatePckCrl", own.root_crl, case.ca.id)
        assert "Issuer" in await contract.refusal("updateRootCrl", own.pck_crl)
        # The right name, another key.
        renamed = replace(vendor.chain.platform_ca, key=vendor.chain.pck.key)
        forged = make_crl(renamed, (), now=NOW, life=LIFE)
        assert "Signature" in await contract.refusal("updatePckCrl", forged, case.ca.id)


async def test_authorities_are_good_for_their_kind_alone() -> None:
    async with silicon() as (vendor, case, contract):
        crl = publish(vendor, now=NOW).pck_crl
        assert "AuthorityKind" in await contract.refusal("updatePckCrl", crl, case.signer.id)
        for function, document in documents(publish(vendor, now=NOW)).items():
            said = await contract.refusal(function, *signed_arguments(document, case.ca.id))
            assert "AuthorityKind" in said
            said = await contract.refusal(function, *signed_arguments(document, bytes(32)))
            assert "UnknownAuthority" in said
        assert "AuthorityKind" in await contract.refusal("pckCollateral", case.signer.id)


def _ill_authorities(vendor: SiliconVendor) -> dict[str, tuple[bytes, str]]:
    """Certificates of the root that differ in one thing, and what refuses them."""
    root, ca, signer = vendor.chain.root, vendor.chain.platform_ca, vendor.chain.tcb_signer
    constraints = x509.BasicConstraints

    def after(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
        builder._not_valid_after = NOW.replace(tzinfo=None) - DAY
        return builder

    def before(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
        builder._not_valid_before = NOW.replace(tzinfo=None) + DAY
        return builder

    def without(old: x509.Certificate, oid: str) -> bytes:
        return reissue(old, root.key, without=frozenset({oid}))

    def changed(old: x509.Certificate, *extensions: Any) -> bytes:
        return reissue(old, root.key, replaced=extensions)

    return {
        "leaf of a CA": (vendor.chain.pck.der, "Issuer"),
        "path length 1": (changed(ca.certificate, extension(constraints(True, 1))), "PathLength"),
        "no path length": (
            changed(ca.certificate, extension(constraints(True, None))),
            "PathLength",
        ),
        "CA that signs no CRL": (
            changed(ca.certificate, usage(sign=False, cert_sign=True)),
            "KeyUsage",
        ),
        "CA without usage": (without(ca.certificate, "2.5.29.15"), "KeyUsage"),
        "CA that is none": (changed(ca.certificate, extension(constraints(False, None))), "Issuer"),
        "signer that is a CA": (
            changed(signer.certificate, extension(constraints(True, 0))),
            "KeyUsage",
        ),
        "signer that signs certificates": (
            changed(signer.certificate, usage(sign=True, cert_sign=True)),
            "KeyUsage",
        ),
        "signer that signs nothing": (
            changed(signer.certificate, usage(sign=False, cert_sign=False)),
            "KeyUsage",
        ),
        "expired CA": (reissue(ca.certificate, root.key, edit=after), "Expired"),
        "expired signer": (reissue(signer.certificate, root.key, edit=after), "Expired"),
        "later signer": (reissue(signer.certificate, root.key, edit=before), "NotYetValid"),
        "signed by itself": (reissue(signer.certificate, signer.key), "Signature"),
        "the root": (root.der, "PathLength"),
        "too long": (ca.der + bytes(4096), "TooLong"),
        "trailing byte": (ca.der + b"\0", "TrailingBytes"),
    }


async def test_certificates_that_are_neither_ca_nor_signer_are_refused() -> None:
    async with silicon() as (vendor, _, contract):
        for name, (certificate, wanted) in _ill_authorities(vendor).items():
            assert wanted in await contract.refusal("cacheAuthority", certificate), name


async def test_a_signer_revoked_by_the_root_takes_its_documents_with_it() -> None:
    async with silicon() as (vendor, case, contract):
        published = publish(vendor, now=NOW)
        await contract.send("updatePckCrl", published.pck_crl, case.ca.id)
        for function, document in documents(published).items():
            await contract.signed(function, document, case.signer.id)
        await _pass_time(contract, 10)
        serial = vendor.chain.tcb_signer.certificate.serial_number
        vendor.collateral.revoke_by_root(serial)
        crl = publish(vendor, now=NOW + timedelta(seconds=5)).root_crl
        await contract.send("updateRootCrl", crl)
        assert await contract.ask("isRevoked", serial)
        assert (await contract.ask("rootCrl"))["epoch"] == 2
        number, fmspc = vendor.collateral.number, vendor.platform.fmspc
        names = (1, fmspc, number, number, case.ca.id, True)
        assert "Epoch" in await contract.refusal("quoteCollateral", *names)
        assert "Epoch" in await contract.refusal("pckCollateral", case.ca.id)
        assert "Revoked" in await contract.refusal("cacheAuthority", case.signer.der)
        document = documents(published)["updateTcbInfo"]
        said = await contract.refusal("updateTcbInfo", *signed_arguments(document, case.signer.id))
        assert "Epoch" in said
        # The CA is not listed: it and its list come back, as old as they are.
        await contract.send("cacheAuthority", case.ca.der)
        await contract.send("updatePckCrl", published.pck_crl, case.ca.id)
        await contract.ask("pckCollateral", case.ca.id)


async def test_a_later_list_forgets_no_revocation() -> None:
    async with silicon() as (vendor, case, contract):
        serial = vendor.chain.tcb_signer.certificate.serial_number
        root = vendor.chain.root
        await _pass_time(contract, 10)
        for second, serials in enumerate([(serial,), ()], start=1):
            at = NOW + timedelta(seconds=second)
            await contract.send("updateRootCrl", make_crl(root, serials, now=at, life=LIFE))
        assert await contract.ask("isRevoked", serial)
        assert (await contract.ask("rootCrl"))["epoch"] == 2
        assert "Revoked" in await contract.refusal("cacheAuthority", case.signer.der)


async def test_a_revoked_machine_is_on_the_list_that_is_committed_to() -> None:
    async with silicon() as (vendor, case, contract):
        vendor.collateral.revoke_pck()
        vendor.collateral.revoke_pck(1, 2**158)
        crl = parse_crl(publish(vendor, now=NOW).pck_crl)
        await contract.send("updatePckCrl", crl.der, case.ca.id)
        assert vendor.chain.pck.certificate.serial_number in crl.serials
        (brought,) = await contract.events("PckCrlUpdated")
        assert brought["serials"] == crl.table
        assert (await contract.ask("pckCollateral", case.ca.id))[1] == crl.digest


async def test_inputs_that_are_too_long_are_refused() -> None:
    async with silicon() as (vendor, case, contract):
        assert "TooLong" in await contract.refusal("updateRootCrl", bytes(4_097))
        assert "TooLong" in await contract.refusal("updatePckCrl", bytes(49_153), case.ca.id)
        for function in SIGNED:
            document = vendor.collateral.sign(bytes(32_769))
            said = await contract.refusal(function, *signed_arguments(document, case.signer.id))
            assert "TooLong" in said


async def test_the_largest_inputs_stay_far_below_a_transactions_gas() -> None:
    async with silicon() as (vendor, case, contract):
        office = vendor.collateral
        serials = [2**158 + index for index in range(900)]
        crl = make_crl(vendor.chain.platform_ca, serials, now=NOW, life=LIFE)
        assert 45_000 < len(crl) <= 49_152
        info = office.tcb_info(TeeKind.TDX, NOW, office.number)
        names = tuple(f"INTEL-SA-{index:05}" for index in range(90))
        long = replace(info.levels[0], grade=replace(info.levels[0].grade, advisories=names))
        text = render_tcb_info(replace(info, levels=(long,) * 13 + info.levels * 8))
        assert 30_000 < len(text) <= 32_768
        gas = {
            "updatePckCrl": await contract.send("updatePckCrl", crl, case.ca.id),
            "updateTcbInfo": await contract.signed(
                "updateTcbInfo", office.sign(text), case.signer.id
            ),
        }
    print(gas)
    assert max(gas.values()) < MOST_GAS


async def test_a_list_of_more_levels_than_allowed_is_refused() -> None:
    async with silicon() as (vendor, case, contract):
        office = vendor.collateral
        info = office.tcb_info(TeeKind.SGX, NOW, office.number)
        for count, wanted in ((64, None), (65, "TooMany")):
            document = office.sign(render_tcb_info(replace(info, levels=info.levels * count)))
            arguments = signed_arguments(document, case.signer.id)
            if wanted is None:
                await contract.send("updateTcbInfo", *arguments)
            else:
                assert wanted in await contract.refusal("updateTcbInfo", *arguments)


async def test_bytes_behind_a_signed_text_are_refused() -> None:
    async with silicon() as (vendor, case, contract):
        for function, document in documents(publish(vendor, now=NOW)).items():
            for tail in (b"\n", b"}", bytes(40)):
                longer = vendor.collateral.sign(document.text + tail)
                arguments = signed_arguments(longer, case.signer.id)
                assert "TrailingBytes" in await contract.refusal(function, *arguments)
        assert "TrailingBytes" in await contract.refusal("updateRootCrl", case.root_crl + b"\0")


async def test_a_root_that_is_none_is_refused() -> None:
    vendor = SiliconVendor(now=NOW - DAY)
    case = case_of(vendor, now=AT)
    name = name_hash(case.signer.der)
    self_named = reissue(vendor.chain.root.certificate, vendor.chain.pck.key)
    ill = {
        vendor.chain.platform_ca.der: "PathLength",
        vendor.chain.pck.der: "NotACa",
        self_named: "Signature",
        case.root + b"\0": "TrailingBytes",
        case.root + bytes(4096): "TooLong",
    }
    for root, wanted in ill.items():
        assert wanted in await construction_refusal(root, name, now=AT)
    later = AT + 31 * 366 * 86_400
    assert "Expired" in await construction_refusal(case.root, name, now=later)
    assert "NotYetValid" in await construction_refusal(case.root, name, now=AT - 3 * 86_400)


@needs_vectors
async def test_the_vendors_root_needs_the_vendors_signer_name() -> None:
    cases: list[Case] = [parameter.values[0] for parameter in recorded()]
    case = next(case for case in cases if case.is_intel)
    name = name_hash(case.ca.der)
    assert "SignerName" in await construction_refusal(case.root, name, now=case.now)


async def test_cached_authority_is_named_as_the_codec_names_it() -> None:
    async with silicon() as (vendor, _, contract):
        signer = parse_certificate(vendor.chain.tcb_signer.der)
        kept = await contract.ask("authority", signer.id)
        assert (kept["isCa"], kept["validUntil"]) == (False, vendor.chain.tcb_signer.not_after)
        assert kept["name"] == name_hash(signer.der)[:16]
        x, y = vendor.chain.tcb_signer.coordinates
        assert (kept["x"], kept["y"]) == (x.to_bytes(32, "big"), y.to_bytes(32, "big"))
        root = await contract.ask("root")
        assert root[2:] == (vendor.chain.root.name_hash, vendor.chain.root.not_after)
        assert await contract.ask("signerName") == name_hash(signer.der)
