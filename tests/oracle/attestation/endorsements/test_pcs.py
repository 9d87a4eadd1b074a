"""The service's API: what is asked, and what is made of each reply."""

import base64
from collections.abc import Collection
from dataclasses import replace

import pytest

from enclave.domain.errors import MalformedEvidence, SignatureInvalid
from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.dcap import split_quote
from oracle.attestation.codecs.tcb_tables import EvaluationNumbers
from oracle.attestation.endorsements.documents import Document, DocumentKind
from oracle.attestation.endorsements.errors import CollateralUnavailable
from oracle.attestation.endorsements.pcs import (
    INTEL_ROOT_CRL,
    INTEL_SERVICE,
    MAX_CHAIN,
    MAX_REPLY,
    PckCa,
    Platform,
    Reply,
    fetch_collateral,
    parse_ca,
    parse_crl_reply,
    platform_of,
)
from oracle.devnet.silicon.vendor import SiliconVendor
from tests.fakes.pcs import NOW, FakeService, machine

SERVICE = "https://pccs.example"
VENDOR = SiliconVendor(now=NOW)


def _standard(table: EvaluationNumbers | None, standard: int) -> Collection[int]:
    return ()


async def _fetch(service: FakeService, platform: Platform | None = None) -> tuple[Document, ...]:
    return await fetch_collateral(service, SERVICE, platform or machine(VENDOR), _standard)


@pytest.mark.parametrize("tee", [TeeKind.SGX, TeeKind.TDX])
async def test_everything_that_concerns_a_machine_is_asked_for_once(tee: TeeKind) -> None:
    service = FakeService(VENDOR)
    documents = await _fetch(service, machine(VENDOR, tee))
    assert [each.kind for each in documents] == list(DocumentKind)
    api = f"/{tee.name.lower()}/certification/v4"
    assert service.asked == [
        "/sgx/certification/v4/rootcacrl",
        "/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
        f"{api}/tcbevaluationdatanumbers",
        f"{api}/tcb?fmspc=E0E000000000&update=standard",
        f"{api}/qe/identity?update=standard",
    ]


async def test_other_numbers_are_asked_for_by_number() -> None:
    vendor = SiliconVendor(now=NOW)
    vendor.collateral.recover_tcb(now=NOW)
    service = FakeService(vendor, standard=17)
    seen: list[tuple[list[int], int]] = []

    def wanted(table: EvaluationNumbers | None, standard: int) -> Collection[int]:
        assert table is not None
        seen.append(([each.number for each in table.numbers], standard))
        return (17, 18)

    documents = await fetch_collateral(service, SERVICE, machine(vendor), wanted)
    assert seen == [([18, 17], 17)]
    infos = [each.number for each in documents if each.kind is DocumentKind.TCB_INFO]
    identities = [each.number for each in documents if each.kind is DocumentKind.QE_IDENTITY]
    assert infos == identities == [17, 18]
    assert [each for each in service.asked if "tcbEvaluationDataNumber" in each] == [
        "/tdx/certification/v4/tcb?fmspc=E0E000000000&tcbEvaluationDataNumber=18",
        "/tdx/certification/v4/qe/identity?tcbEvaluationDataNumber=18",
    ]


async def test_the_vendors_own_root_list_is_elsewhere() -> None:
    asked: list[str] = []

    async def get(url: str) -> Reply:
        asked.append(url)
        return Reply(503, {}, b"")

    with pytest.raises(CollateralUnavailable, match="HTTP status 503, wanted 200"):
        await fetch_collateral(get, INTEL_SERVICE, machine(VENDOR), _standard)
    assert asked == [INTEL_ROOT_CRL]


async def test_a_cache_without_numbers_is_good_enough() -> None:
    service = FakeService(VENDOR)
    service.replies["/tdx/certification/v4/tcbevaluationdatanumbers"] = Reply(404, {}, b"")
    documents = await _fetch(service)
    assert DocumentKind.NUMBERS not in [each.kind for each in documents]


@pytest.mark.parametrize("status", [301, 400, 401, 404, 410, 500])
@pytest.mark.parametrize(
    "path",
    [
        "/sgx/certification/v4/rootcacrl",
        "/sgx/certification/v4/pckcrl",
        "/tdx/certification/v4/tcb",
        "/tdx/certification/v4/qe/identity",
    ],
)
async def test_what_is_not_there_is_named(path: str, status: int) -> None:
    service = FakeService(VENDOR)
    service.replies[path] = Reply(status, {}, b"")
    with pytest.raises(CollateralUnavailable, match=f"{path}.*HTTP status {status}, wanted 200"):
        await _fetch(service)


async def test_a_failure_of_the_numbers_is_no_lack_of_them() -> None:
    service = FakeService(VENDOR)
    service.replies["/tdx/certification/v4/tcbevaluationdatanumbers"] = Reply(500, {}, b"")
    with pytest.raises(CollateralUnavailable, match="HTTP status 500"):
        await _fetch(service)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "of 0 characters"),
        ({"tcb-info-issuer-chain": "A" * (MAX_CHAIN + 1)}, f"of {MAX_CHAIN + 1} characters"),
        ({"tcb-info-issuer-chain": "no%20certificate"}, "other text at 0"),
    ],
)
async def test_a_reply_without_its_certificates_is_refused(
    headers: dict[str, str], said: str
) -> None:
    service = FakeService(VENDOR)
    url = "https://x/tdx/certification/v4/tcb?fmspc=E0E000000000"
    reply = await service(url)
    service.replies["/tdx/certification/v4/tcb"] = replace(reply, headers=headers)
    with pytest.raises(MalformedEvidence, match=said):
        await _fetch(service)


async def test_a_document_of_another_vendor_is_refused() -> None:
    service, other = FakeService(VENDOR), FakeService(SiliconVendor(now=NOW))
    path = "/tdx/certification/v4/tcb"
    own, foreign = [await each(f"https://x{path}?fmspc=E0E000000000") for each in (service, other)]
    service.replies[path] = replace(own, body=foreign.body)
    with pytest.raises(SignatureInvalid):
        await _fetch(service)


@pytest.mark.parametrize("tee", [TeeKind.SGX, TeeKind.TDX])
def test_a_quote_says_which_collateral_concerns_its_machine(tee: TeeKind) -> None:
    quote = VENDOR.quote(tee, measurement=b"\x01" * 48, report_data=bytes(64))
    assert platform_of(split_quote(quote)) == machine(VENDOR, tee)


def test_a_certificate_of_no_pck_ca_is_refused() -> None:
    assert parse_ca(VENDOR.chain.platform_ca.der) is PckCa.PLATFORM
    with pytest.raises(MalformedEvidence, match="wanted a PCK Platform CA or a PCK Processor CA"):
        parse_ca(VENDOR.chain.root.der)


def test_a_ca_with_an_unreadable_name_is_refused() -> None:
    der = VENDOR.chain.platform_ca.der
    ill = der.replace(b"PCK Platform CA", b"PCK Platform \xff\xff")
    assert ill != der
    with pytest.raises(MalformedEvidence, match="unreadable name"):
        parse_ca(ill)


def test_a_list_comes_as_der_pem_or_digits() -> None:
    der = VENDOR.collateral.publish(now=NOW).pck_crl
    encoded = base64.encodebytes(der)
    pem = b"-----BEGIN X509 CRL-----\n" + encoded + b"-----END X509 CRL-----\n"
    for body in (der, der.hex().encode(), f'"{der.hex().upper()}"\n'.encode(), pem):
        assert parse_crl_reply(body) == der


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "neither DER, nor PEM, nor hexadecimal digits"),
        (b"<html>", "neither DER"),
        (b"abc", "neither DER"),
        (b"-----BEGIN X509 CRL-----\nA\n-----END X509 CRL-----\n", "not base64"),
        (b"\x30" * (MAX_REPLY + 1), f"wanted <= {MAX_REPLY}"),
    ],
)
def test_a_list_in_another_form_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(MalformedEvidence, match=said):
        parse_crl_reply(body)
