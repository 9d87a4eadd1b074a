"""The emulated vendor's provisioning certification service over HTTP, on loopback.

Paths, parameters, headers, bodies and errors are those of the vendor's version 4. Three things it
lacks: certificates (a machine here brings its own in the quote), registration, and TLS. The root's
CRL has two places: the one that the root certificate names, as DER, and that of the vendor's
caching service, as hexadecimal digits of it.

Reference: Intel SGX and TDX PCS API, version 4; Intel PCCS design guide, version 4 of its API.
"""

import contextlib
import re
import secrets
from base64 import encodebytes
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from urllib.parse import quote

from aiohttp import web

from enclave.domain.evidence import TeeKind
from oracle.devnet.silicon.collateral import PublishedCollateral
from oracle.devnet.silicon.lifecycle import Lifecycle
from oracle.devnet.silicon.pki import Authority, pem_chain

VERSION = "certification/v4"
#: Last part of the path under which the vendor serves the root's CRL.
ROOT_CRL_FILE = "IntelSGXRootCA.der"
_TEES = {"sgx": TeeKind.SGX, "tdx": TeeKind.TDX}
_SHUTDOWN_S = 0.2
_JSON = "application/json"
_FORMS = {"der": "application/pkix-crl", "pem": "application/x-pem-file"}
_UPDATES = {"update": "early|standard", "tcbEvaluationDataNumber": r"\d{1,9}"}

_Answer = Callable[[TeeKind, Mapping[str, str]], web.Response]
_Handler = Callable[[web.Request], Awaitable[web.Response]]


class _Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@contextlib.asynccontextmanager
async def serve_pcs(lifecycle: Lifecycle, port: int) -> AsyncIterator[str]:
    """Serve for the length of the block.

    Args:
        lifecycle: Whose collateral.
        port: TCP port on 127.0.0.1; 0 for a free one.

    Yields:
        The URL to which the vendor's paths are appended, without a slash at its end.

    Raises:
        OSError: The port is taken.
    """
    runner = web.AppRunner(_application(lifecycle), access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class _Service:
    """The answers, one method for each kind of resource."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle

    def tcb(self, tee: TeeKind, query: Mapping[str, str]) -> web.Response:
        """TCB info of a family of platforms."""
        _check(query, {"fmspc": "[0-9a-fA-F]{12}", **_UPDATES}, required=("fmspc",))
        if bytes.fromhex(query["fmspc"]) != self._lifecycle.vendor.platform.fmspc:
            raise _Refused(404, f"no TCB info for FMSPC {query['fmspc']}")
        body = self._chosen(query).replies(tee)["tcbInfo"]
        return self._signed(body, "TCB-Info-Issuer-Chain")

    def identity(self, tee: TeeKind, query: Mapping[str, str]) -> web.Response:
        """Identity of the quoting enclave."""
        _check(query, _UPDATES)
        body = self._chosen(query).replies(tee)["enclaveIdentity"]
        return self._signed(body, "SGX-Enclave-Identity-Issuer-Chain")

    def numbers(self, tee: TeeKind, query: Mapping[str, str]) -> web.Response:
        """TCB evaluation data numbers."""
        _check(query, {})
        body = self._newest.replies(tee)["tcbEvaluationDataNumbers"]
        return self._signed(body, "TCB-Evaluation-Data-Numbers-Issuer-Chain")

    def pck_crl(self, _: TeeKind, query: Mapping[str, str]) -> web.Response:
        """Revocation list of a CA for PCK certificates; this vendor has the platform CA alone."""
        _check(query, {"ca": "processor|platform", "encoding": "der|pem"}, required=("ca",))
        if query["ca"] != "platform":
            raise _Refused(404, "no processor CA")
        encoding, crl = query.get("encoding", "pem"), self._newest.pck_crl
        chain = self._lifecycle.vendor.chain
        return web.Response(
            body=crl if encoding == "der" else _pem(crl),
            content_type=_FORMS[encoding],
            headers=_chain_header("SGX-PCK-CRL-Issuer-Chain", chain.platform_ca, chain.root),
        )

    def root_crl(self, _: TeeKind, query: Mapping[str, str]) -> web.Response:
        """Revocation list of the root, as the caching service has it."""
        _check(query, {})
        return web.Response(text=self._newest.root_crl.hex())

    def root_crl_file(self, _: TeeKind, query: Mapping[str, str]) -> web.Response:
        """Revocation list of the root, as the vendor has it."""
        _check(query, {})
        return web.Response(body=self._newest.root_crl, content_type=_FORMS["der"])

    @property
    def _newest(self) -> PublishedCollateral:
        return next(iter(self._lifecycle.published().values()))

    def _chosen(self, query: Mapping[str, str]) -> PublishedCollateral:
        """By number, or by how soon the caller wants a new one."""
        published = self._lifecycle.published()
        if len(query.keys() & _UPDATES.keys()) > 1:
            raise _Refused(400, "update and tcbEvaluationDataNumber exclude each other")
        if query.get("update") == "early":
            return self._newest
        number = int(query.get("tcbEvaluationDataNumber", self._lifecycle.standard_number))
        if number < min(published):
            raise _Refused(410, f"number {number} is gone, the oldest is {min(published)}")
        if number not in published:
            raise _Refused(404, f"number {number} is unknown, the newest is {max(published)}")
        return published[number]

    def _signed(self, body: bytes, header: str) -> web.Response:
        chain = self._lifecycle.vendor.chain
        headers = _chain_header(header, chain.tcb_signer, chain.root)
        return web.Response(body=body, content_type=_JSON, headers=headers)


def _application(lifecycle: Lifecycle) -> web.Application:
    service, application = _Service(lifecycle), web.Application()
    resources: dict[str, _Answer] = {"tcb": service.tcb, "qe/identity": service.identity}
    resources["tcbevaluationdatanumbers"] = service.numbers
    for prefix, tee in _TEES.items():
        for name, answer in resources.items():
            application.router.add_get(f"/{prefix}/{VERSION}/{name}", _handler(answer, tee))
    lists: dict[str, _Answer] = {"pckcrl": service.pck_crl, "rootcacrl": service.root_crl}
    for name, answer in lists.items():
        application.router.add_get(f"/sgx/{VERSION}/{name}", _handler(answer, TeeKind.SGX))
    application.router.add_get(f"/{ROOT_CRL_FILE}", _handler(service.root_crl_file, TeeKind.SGX))
    return application


def _handler(answer: _Answer, tee: TeeKind) -> _Handler:
    async def handle(request: web.Request) -> web.Response:
        try:
            if len(request.query) != len(set(request.query)):
                raise _Refused(400, "a parameter is given twice")
            response = answer(tee, dict(request.query))
        except _Refused as refusal:
            response = web.Response(status=refusal.status, headers={"Error-Message": str(refusal)})
        response.headers["Request-ID"] = secrets.token_hex(16)
        return response

    return handle


def _check(
    query: Mapping[str, str], patterns: Mapping[str, str], *, required: tuple[str, ...] = ()
) -> None:
    for name in required:
        if name not in query:
            raise _Refused(400, f"{name} is missing")
    for name, value in query.items():
        if name not in patterns:
            raise _Refused(400, f"parameter {name!r} is unknown")
        if re.fullmatch(patterns[name], value, re.ASCII) is None:
            raise _Refused(400, f"{name} is {value!r}, wanted {patterns[name]}")


def _chain_header(name: str, *links: Authority) -> dict[str, str]:
    return {name: quote(pem_chain(*links).decode())}


def _pem(crl: bytes) -> bytes:
    text = encodebytes(crl)
    return b"-----BEGIN X509 CRL-----\n" + text + b"-----END X509 CRL-----\n"
