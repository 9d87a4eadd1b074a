"""Intel's provisioning certification service (PCS), version 4, and caches with its API (PCCS).

Questions and replies; who carries them is given. Nothing here establishes that a reply is genuine:
`documents.assemble` verifies signatures, the chain verifies everything.

Reference: Intel PCS API v4: "Get TCB info", "Get Quoting Enclave identity", "Get TCB evaluation
data numbers", "Get PCK revocation list"; PCCS API v4: "rootcacrl".
"""

import base64
import binascii
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from urllib.parse import unquote

from cryptography.x509.oid import NameOID

from enclave.domain.errors import MalformedEvidence
from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.certificates import UNREADABLE, load_certificate, quietly
from oracle.attestation.codecs.crl import MAX_CRL
from oracle.attestation.codecs.dcap import DcapQuote, parse_pem_chain
from oracle.attestation.codecs.pck import parse_machine
from oracle.attestation.codecs.pcs import (
    parse_evaluation_numbers,
    parse_tcb_info,
    split_signed,
)
from oracle.attestation.codecs.tcb_tables import EvaluationNumbers
from oracle.attestation.endorsements.documents import Document, Findings, assemble
from oracle.attestation.endorsements.errors import CollateralUnavailable

INTEL_SERVICE = "https://api.trustedservices.intel.com"
#: The vendor's own service does not serve its root's list; caches do.
INTEL_ROOT_CRL = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"
#: The largest reply: a list in hexadecimal digits.
MAX_REPLY = 2 * MAX_CRL + 256
MAX_CHAIN = 16_384
_OK = 200
_NOT_FOUND = 404
_PEM_CRL = re.compile(
    rb"-----BEGIN X509 CRL-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END X509 CRL-----\s*"
)
_HEX = re.compile(rb'\s*"?((?:[0-9a-fA-F]{2})+)"?\s*')


class PckCa(StrEnum):
    """Which intermediate issued a machine's certificate; named as the service does."""

    PLATFORM = "platform"
    PROCESSOR = "processor"


@dataclass(frozen=True, slots=True)
class Platform:
    """Which collateral concerns a machine.

    Attributes:
        tee: `SGX` or `TDX`.
        fmspc: From its certificate, 6 bytes.
        ca: Who issued its certificate.
    """

    tee: TeeKind
    fmspc: bytes
    ca: PckCa


@dataclass(frozen=True, slots=True)
class Reply:
    """What a service answered.

    Attributes:
        status: Of HTTP.
        headers: By name in lower case.
        body: At most `MAX_REPLY` bytes.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Get(Protocol):
    """Carries questions: sizes and times are bounded by whoever implements it."""

    async def __call__(self, url: str) -> Reply:
        """Ask for a URL.

        Raises:
            CollateralUnavailable: No answer.
        """
        ...


#: Which TCB evaluation data numbers are wanted, from those that there are (`None` where the service
#: does not say) and the one that the vendor calls standard.
Wanted = Callable[[EvaluationNumbers | None, int], Collection[int]]


def platform_of(quote: DcapQuote) -> Platform:
    """Which collateral concerns the machine that made a quote, by the certificate in it.

    Raises:
        MalformedEvidence: The certificate says nothing of the kind.
    """
    machine = parse_machine(quote.pck.parsed, ca_id=quote.ca.id)
    return Platform(quote.tee, machine.fmspc, parse_ca(quote.ca.der))


@quietly
def parse_ca(certificate: bytes) -> PckCa:
    """Which PCK CA a certificate is of, by the subject's common name.

    Args:
        certificate: Of the CA, DER.

    Raises:
        MalformedEvidence: Of neither.
    """
    try:
        subject = load_certificate(certificate, subject="PCK CA").subject
    except UNREADABLE as error:
        raise MalformedEvidence(f"PCK CA with an unreadable name: {error}") from error
    names = [str(each.value) for each in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    for ca in PckCa:
        if any(name.endswith(f"PCK {ca.value.capitalize()} CA") for name in names):
            return ca
    raise MalformedEvidence(f"issuer is {names}, wanted a PCK Platform CA or a PCK Processor CA")


async def fetch_collateral(
    get: Get, service: str, platform: Platform, wanted: Wanted
) -> tuple[Document, ...]:
    """Ask for everything that a machine's quotes are appraised by.

    Args:
        get: Carries the questions.
        service: Where, without a slash at its end.
        platform: The machine.
        wanted: Which numbers, besides the standard one.

    Raises:
        CollateralUnavailable: The service does not answer, or has nothing for this machine.
        MalformedEvidence: It answered something else.
        SignatureInvalid: A document that no certificate with it signed.
    """
    asked = _Asked(get, platform, service, Findings())
    await asked.lists()
    table = await asked.numbers()
    standard = await asked.levels("update=standard")
    for number in sorted({*wanted(table, standard)} - {standard}):
        await asked.levels(f"tcbEvaluationDataNumber={number}")
    return assemble(asked.found)


def parse_crl_reply(body: bytes) -> bytes:
    """DER of a revocation list: as such, in PEM, or in hexadecimal digits, as caches have it.

    Raises:
        MalformedEvidence: None of these, or longer than a list may be.
    """
    if len(body) > MAX_REPLY:
        raise MalformedEvidence(f"CRL reply of {len(body)} bytes, wanted <= {MAX_REPLY}")
    if body.startswith(b"\x30"):
        return body
    if found := _HEX.fullmatch(body):
        return bytes.fromhex(found[1].decode())
    if found := _PEM_CRL.fullmatch(body):
        try:
            return base64.b64decode(b"".join(found[1].split()), validate=True)
        except binascii.Error as error:
            raise MalformedEvidence("CRL reply is not base64") from error
    raise MalformedEvidence("CRL reply is neither DER, nor PEM, nor hexadecimal digits")


@dataclass(frozen=True, slots=True)
class _Asked:
    """One conversation with a service, and what came of it."""

    get: Get
    platform: Platform
    service: str
    found: Findings

    async def lists(self) -> None:
        """Both revocation lists."""
        api = f"{self.service}/sgx/certification/v4"
        root = INTEL_ROOT_CRL if self.service == INTEL_SERVICE else f"{api}/rootcacrl"
        self.found.crls.append(parse_crl_reply((await self._ask(root)).body))
        reply = await self._ask(f"{api}/pckcrl?ca={self.platform.ca.value}&encoding=der")
        self.found.crls.append(parse_crl_reply(reply.body))
        self._chain(reply, "sgx-pck-crl-issuer-chain")

    async def numbers(self) -> EvaluationNumbers | None:
        """Which numbers there are; older caches do not know."""
        url = f"{self._api}/tcbevaluationdatanumbers"
        reply = await self.get(url)
        if reply.status == _NOT_FOUND:
            return None
        name = "tcbEvaluationDataNumbers"
        text = self._signed(_checked(reply, url), name, "tcb-evaluation-data-numbers-issuer-chain")
        return parse_evaluation_numbers(text)

    async def levels(self, which: str) -> int:
        """TCB info and QE identity; the number of the TCB info."""
        fmspc = self.platform.fmspc.hex().upper()
        reply = await self._ask(f"{self._api}/tcb?fmspc={fmspc}&{which}")
        text = self._signed(reply, "tcbInfo", "tcb-info-issuer-chain")
        reply = await self._ask(f"{self._api}/qe/identity?{which}")
        self._signed(reply, "enclaveIdentity", "sgx-enclave-identity-issuer-chain")
        return parse_tcb_info(text).number

    @property
    def _api(self) -> str:
        return f"{self.service}/{self.platform.tee.name.lower()}/certification/v4"

    async def _ask(self, url: str) -> Reply:
        return _checked(await self.get(url), url)

    def _signed(self, reply: Reply, name: str, header: str) -> bytes:
        signed = split_signed(reply.body, name)
        self.found.texts.append((name, signed))
        self._chain(reply, header)
        return signed.text

    def _chain(self, reply: Reply, header: str) -> None:
        """Take the certificates of a header, percent-encoded PEM."""
        encoded = reply.headers.get(header, "")
        if not 0 < len(encoded) <= MAX_CHAIN:
            raise MalformedEvidence(
                f"header {header} of {len(encoded)} characters, wanted 1 to {MAX_CHAIN}"
            )
        chain = parse_pem_chain(unquote(encoded).encode())
        self.found.certificates += [each.der for each in chain]


def _checked(reply: Reply, url: str) -> Reply:
    if reply.status != _OK:
        raise CollateralUnavailable(f"{url}: HTTP status {reply.status}, wanted {_OK}")
    return reply
