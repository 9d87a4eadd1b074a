"""The emulated vendor's collateral service, and the vendor as a process that is told what to do."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import aiohttp
import pytest
from cryptography import x509

from enclave.domain.errors import ConfigError
from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.crl import parse_crl
from oracle.attestation.codecs.dcap import parse_pem_chain
from oracle.attestation.codecs.pcs import (
    parse_evaluation_numbers,
    parse_qe_identity,
    parse_tcb_info,
    split_signed,
)
from oracle.devnet.silicon.collateral import FIRST_NUMBER
from oracle.devnet.silicon.lifecycle import Lifecycle
from oracle.devnet.silicon.pcs import serve_pcs
from oracle.devnet.silicon.vendor import SiliconVendor
from oracle.devnet.silicon_process import silicon

NOW = datetime(2031, 6, 1, 12, 30, 15, tzinfo=UTC)
FMSPC = "E0E000000000"
SGX = "/sgx/certification/v4"
TDX = "/tdx/certification/v4"
TEES = [("sgx", TeeKind.SGX), ("tdx", TeeKind.TDX)]


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    headers: dict[str, str]

    def chain(self, header: str) -> list[bytes]:
        """Certificates of an issuer chain, DER."""
        return [link.der for link in parse_pem_chain(unquote(self.headers[header]).encode())]


@dataclass(frozen=True, slots=True)
class Service:
    lifecycle: Lifecycle
    url: str

    async def get(self, path: str) -> Reply:
        return await get(self.url + path)


async def get(url: str) -> Reply:
    async with aiohttp.ClientSession() as session, session.get(url) as reply:
        assert len(reply.headers["Request-ID"]) == 32
        return Reply(reply.status, await reply.read(), dict(reply.headers))


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    lifecycle = Lifecycle(SiliconVendor(now=NOW), lambda: NOW)
    async with serve_pcs(lifecycle, 0) as url:
        yield Service(lifecycle, url)


@pytest.mark.parametrize(("prefix", "tee"), TEES)
async def test_signed_documents_come_with_their_issuer_chains(
    service: Service, prefix: str, tee: TeeKind
) -> None:
    base = f"/{prefix}/certification/v4"
    info = await service.get(f"{base}/tcb?fmspc={FMSPC.lower()}")
    identity = await service.get(f"{base}/qe/identity")
    numbers = await service.get(f"{base}/tcbevaluationdatanumbers")
    chain = service.lifecycle.vendor.chain
    for reply, name, header in (
        (info, "tcbInfo", "TCB-Info-Issuer-Chain"),
        (identity, "enclaveIdentity", "SGX-Enclave-Identity-Issuer-Chain"),
        (numbers, "tcbEvaluationDataNumbers", "TCB-Evaluation-Data-Numbers-Issuer-Chain"),
    ):
        assert reply.status == 200
        assert reply.headers["Content-Type"] == "application/json"
        assert reply.chain(header) == [chain.tcb_signer.der, chain.root.der]
        assert len(split_signed(reply.body, name).signature) == 64
    parsed = parse_tcb_info(split_signed(info.body, "tcbInfo").text)
    assert (parsed.tee, parsed.fmspc.hex().upper()) == (tee, FMSPC)
    assert parse_qe_identity(split_signed(identity.body, "enclaveIdentity").text).tee is tee
    text = split_signed(numbers.body, "tcbEvaluationDataNumbers").text
    assert parse_evaluation_numbers(text).tee is tee


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("", FIRST_NUMBER),
        ("update=standard", FIRST_NUMBER),
        ("update=early", FIRST_NUMBER + 1),
        (f"tcbEvaluationDataNumber={FIRST_NUMBER}", FIRST_NUMBER),
        (f"tcbEvaluationDataNumber={FIRST_NUMBER + 1}", FIRST_NUMBER + 1),
    ],
)
async def test_all_numbers_are_served_side_by_side(
    service: Service, query: str, number: int
) -> None:
    service.lifecycle.recover_tcb()
    info = await service.get(f"{TDX}/tcb?fmspc={FMSPC}&{query}")
    assert parse_tcb_info(split_signed(info.body, "tcbInfo").text).number == number
    identity = await service.get(f"{SGX}/qe/identity?{query}")
    text = split_signed(identity.body, "enclaveIdentity").text
    assert parse_qe_identity(text).number == number


async def test_revocation_lists_come_in_the_forms_of_vendor_and_caching_service(
    service: Service,
) -> None:
    service.lifecycle.revoke_pck()
    chain = service.lifecycle.vendor.chain
    der = await service.get(f"{SGX}/pckcrl?ca=platform&encoding=der")
    assert der.headers["Content-Type"] == "application/pkix-crl"
    assert parse_crl(der.body).serials == (chain.pck.certificate.serial_number,)
    pem = await service.get(f"{SGX}/pckcrl?ca=platform")
    assert pem.headers["Content-Type"] == "application/x-pem-file"
    issuers = [chain.platform_ca.der, chain.root.der]
    assert pem.chain("SGX-PCK-CRL-Issuer-Chain") == issuers
    assert x509.load_pem_x509_crl(pem.body) == x509.load_der_x509_crl(der.body)
    root = await service.get("/IntelSGXRootCA.der")
    assert x509.load_der_x509_crl(root.body).issuer == chain.root.certificate.subject
    cached = await service.get(f"{SGX}/rootcacrl")
    assert bytes.fromhex(cached.body.decode()) == root.body


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        (f"{SGX}/tcb", 400, "fmspc is missing"),
        (f"{SGX}/tcb?fmspc=00906e", 400, "fmspc is '00906e'"),
        (f"{SGX}/tcb?fmspc=00906ED50000", 404, "no TCB info for FMSPC 00906ED50000"),
        (f"{SGX}/tcb?fmspc={FMSPC}&fmspc={FMSPC}", 400, "given twice"),
        (f"{SGX}/tcb?fmspc={FMSPC}&update=soon", 400, "update is 'soon'"),
        (f"{SGX}/tcb?fmspc={FMSPC}&tcbEvaluationDataNumber=x", 400, "DataNumber is 'x'"),
        (f"{TDX}/tcb?fmspc={FMSPC}&tcbEvaluationDataNumber=16", 410, "number 16 is gone"),
        (f"{TDX}/qe/identity?tcbEvaluationDataNumber=16", 410, "the oldest is 17"),
        (f"{TDX}/qe/identity?tcbEvaluationDataNumber=18", 404, "number 18 is unknown"),
        (f"{TDX}/qe/identity?update=early&tcbEvaluationDataNumber=17", 400, "exclude each other"),
        (f"{TDX}/qe/identity?fmspc={FMSPC}", 400, "parameter 'fmspc' is unknown"),
        (f"{SGX}/pckcrl", 400, "ca is missing"),
        (f"{SGX}/pckcrl?ca=root", 400, "ca is 'root'"),
        (f"{SGX}/pckcrl?ca=processor", 404, "no processor CA"),
        (f"{SGX}/pckcrl?ca=platform&encoding=hex", 400, "encoding is 'hex'"),
        (f"{SGX}/rootcacrl?ca=platform", 400, "parameter 'ca' is unknown"),
    ],
)
async def test_wrong_requests_get_the_status_of_the_vendor(
    service: Service, path: str, status: int, said: str
) -> None:
    reply = await service.get(path)
    assert (reply.status, reply.body) == (status, b"")
    assert said in reply.headers["Error-Message"]


async def test_the_process_serves_collateral_and_is_told_what_happens(tmp_path: Path) -> None:
    async with silicon(tmp_path / "s.sock", forms=["sgx-v5", "tdx-v5-td15"]) as vendor:
        path = f"{vendor.pcs}{TDX}/tcb?fmspc={FMSPC}&update=early"
        before = await get(path)
        chain = before.chain("TCB-Info-Issuer-Chain")
        assert chain[1] == vendor.constants.root_certificate
        answer = await vendor.control("recover-tcb")
        assert answer == {"done": "recover-tcb", "number": FIRST_NUMBER + 1}
        after = parse_tcb_info(split_signed((await get(path)).body, "tcbInfo").text)
        assert after.number == FIRST_NUMBER + 1
        assert after.issued_at > parse_tcb_info(split_signed(before.body, "tcbInfo").text).issued_at
        with pytest.raises(ConfigError, match="refused: form is 'x', wanted sgx-v3"):
            await vendor.control("form", form="x")
    with pytest.raises(ConfigError, match="emulated silicon: FileNotFoundError"):
        await vendor.control("recover-tcb")
