"""Where collateral comes from: a service over HTTPS, or a folder."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp

from oracle.attestation.codecs.tcb_tables import EvaluationNumbers, QeIdentity, TcbInfo
from oracle.attestation.endorsements.documents import Document
from oracle.attestation.endorsements.errors import CollateralUnavailable
from oracle.attestation.endorsements.folder import load_collateral
from oracle.attestation.endorsements.pcs import (
    MAX_REPLY,
    Get,
    Platform,
    Reply,
    Wanted,
    fetch_collateral,
)
from oracle.config import mask_url

_CHUNK = 16_384
_HEADER = 32_768


class CollateralSource(Protocol):
    """Has the vendor's documents."""

    async def fetch(self, platform: Platform, wanted: Wanted) -> tuple[Document, ...]:
        """The documents that concern a machine.

        Args:
            platform: The machine.
            wanted: Which TCB evaluation data numbers, besides the standard one.

        Raises:
            CollateralUnavailable: It does not answer, or has nothing for this machine.
            MalformedEvidence: It has something else.
            SignatureInvalid: A document that no certificate with it signed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Service:
    """A service with the vendor's API.

    Attributes:
        url: `https://…`, or `http://127.0.0.1:…`.
        timeout_s: Limit of one answer.
    """

    url: str
    timeout_s: float

    async def fetch(self, platform: Platform, wanted: Wanted) -> tuple[Document, ...]:
        """Ask the service; no error shows what may be secret in its URL."""
        service = self.url.rstrip("/")
        async with open_get(self.timeout_s) as get:
            try:
                return await fetch_collateral(get, service, platform, wanted)
            except CollateralUnavailable as error:
                # The errors below it hold the URL, too.
                raise CollateralUnavailable(
                    str(error).replace(service, mask_url(service))
                ) from None


@dataclass(frozen=True, slots=True)
class Folder:
    """Files; see `endorsements.folder`."""

    path: Path

    async def fetch(self, platform: Platform, wanted: Wanted) -> tuple[Document, ...]:
        """Read the folder; all numbers that it has are wanted."""
        del wanted
        found = await asyncio.to_thread(load_collateral, self.path)
        documents = tuple(each for each in found if _concerns(each, platform))
        if not any(isinstance(each.content, TcbInfo) for each in documents):
            fmspc = platform.fmspc.hex()
            raise CollateralUnavailable(
                f"{self.path}: no {platform.tee.name} TCB info for FMSPC {fmspc}"
            )
        return documents


def open_source(source: str | Path, *, timeout_s: float) -> CollateralSource:
    """The source that a configuration names."""
    return Folder(source) if isinstance(source, Path) else Service(source, timeout_s)


def _concerns(document: Document, platform: Platform) -> bool:
    match document.content:
        case TcbInfo(tee=tee, fmspc=fmspc):
            return (tee, fmspc) == (platform.tee, platform.fmspc)
        case QeIdentity(tee=tee) | EvaluationNumbers(tee=tee):
            return tee is platform.tee
        case _:
            return True


@asynccontextmanager
async def open_get(timeout_s: float) -> AsyncIterator[Get]:
    """What carries questions over HTTP: neither redirected nor repeated, each within the limit."""
    async with _session(timeout_s) as session:

        async def get(url: str) -> Reply:
            return await _get(session, url)

        yield get


@asynccontextmanager
async def _session(timeout_s: float) -> AsyncIterator[aiohttp.ClientSession]:
    limit = aiohttp.ClientTimeout(total=timeout_s)
    async with aiohttp.ClientSession(
        timeout=limit, max_field_size=_HEADER, trust_env=False
    ) as session:
        yield session


async def _get(session: aiohttp.ClientSession, url: str) -> Reply:
    """One question; neither redirected nor repeated."""
    try:
        async with session.get(url, allow_redirects=False) as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK):
                body += chunk
                if len(body) > MAX_REPLY:
                    raise CollateralUnavailable(f"{url}: more than {MAX_REPLY} bytes")
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status, headers, bytes(body))
    except TimeoutError as error:
        raise CollateralUnavailable(f"{url}: no answer in time") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise CollateralUnavailable(f"{url}: not reachable ({type(error).__name__})") from error
