"""`oracle attest fetch`: what vendors' services have for evidence, into a folder."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from enclave.domain.errors import AttestationError, ConfigError
from oracle.attestation.codecs.dcap import DcapQuote, split_quote
from oracle.attestation.endorsements.errors import CollateralUnavailable
from oracle.attestation.endorsements.pcs import INTEL_SERVICE, platform_of
from oracle.attestation.endorsements.services import Question, questions
from oracle.attestation.evidence import Evidence, EvidenceFormat, Part
from oracle.attestation.roots import Anchors, Roots, vendor_roots
from oracle.cli.attest_arguments import Words
from oracle.cli.attest_inputs import read_inputs
from oracle.collateral.endorsements import Cache, Kept, fetch_endorsements, fetch_intel
from oracle.collateral.source import open_get

_TIMEOUT_S = 30.0
_INTEL = (EvidenceFormat.SGX_QUOTE, EvidenceFormat.TDX_QUOTE)
_LOCAL = ("127.0.0.1", "localhost", "::1")


def fetch(words: Words, say: Callable[[str], None]) -> None:
    """Fetch, and say a line for each file.

    Raises:
        ConfigError: The evidence cannot be used, or a service does not have what is needed.
    """
    service = _service(words.service)
    inputs = read_inputs(words.file, words.endorsements, words.evidence_format)
    now = int(datetime.now(UTC).timestamp())
    try:
        asked = questions(inputs.evidence, inputs.endorsements.certificates)
        quote = intel_quote(inputs.evidence)
        cache = Cache(words.to, now=now)
        kept = asyncio.run(_fetch(asked, quote, service, cache))
    except (AttestationError, CollateralUnavailable) as error:
        raise ConfigError(f"{inputs.name}: {error}") from None
    except OSError as error:
        raise ConfigError(f"{words.to}: {error.strerror}") from None
    for each in kept:
        say(_line(each))
    if not kept:
        say("nothing to fetch: this evidence brings what it needs, or rests on a key that you pin")


def intel_quote(evidence: Evidence) -> DcapQuote | None:
    """The quote for which Intel has collateral, if there is one.

    Raises:
        MalformedEvidence: A quote without a PCK certificate.
    """
    quote = evidence.raw if evidence.format in _INTEL else evidence.parts.get(Part.TD_QUOTE)
    return None if quote is None else split_quote(quote)


async def _fetch(
    asked: tuple[Question, ...], quote: DcapQuote | None, service: str, cache: Cache
) -> tuple[Kept, ...]:
    async with open_get(_TIMEOUT_S) as get:
        kept = await fetch_endorsements(get, asked, cache)
        if quote is None:
            return kept
        # The chains end where the quote's own does; whether that is Intel's root, `verify` says.
        (intel,) = Roots(vendor_roots()).of(Anchors.INTEL_SGX)
        root = quote.root.der if quote.root else intel.der
        return (*kept, await fetch_intel(get, service, platform_of(quote), cache, root=root))


def _service(url: str) -> str:
    """Intel's own, or one over HTTPS, or one on this machine."""
    parts = urlsplit(url or INTEL_SERVICE)
    is_local = parts.scheme == "http" and parts.hostname in _LOCAL
    if not parts.hostname or not (parts.scheme == "https" or is_local):
        raise ConfigError(f"--service is {url!r}, wanted https://… or http://127.0.0.1:…")
    return parts.geturl().rstrip("/")


def _line(kept: Kept) -> str:
    if kept.fault:
        return f"without  {kept.file}: {kept.fault}"
    until = datetime.fromtimestamp(kept.until, UTC).isoformat()
    return f"{'fetched' if kept.is_new else 'kept   '}  {kept.file}, in date until {until}"
