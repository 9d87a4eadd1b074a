"""Keeps the chain's collateral for one machine, and says what its quotes are verified with."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from enclave.domain.errors import AppraisalFailed
from oracle.attestation.codecs.crl import RevocationList
from oracle.attestation.codecs.dcap import DcapQuote
from oracle.attestation.codecs.dcap_hints import DcapHints, build_hints
from oracle.attestation.codecs.pck import Machine
from oracle.attestation.codecs.tcb_tables import EvaluationNumbers, QeIdentity, TcbInfo
from oracle.attestation.endorsements.documents import Authority, Document, DocumentKind
from oracle.attestation.endorsements.errors import CollateralUnavailable
from oracle.attestation.endorsements.pcs import Platform, platform_of
from oracle.chain.base import Block, Call, CallReverted, Image, KeptMachine, Submitter
from oracle.chain.collateral import EvmCollateral, encode_endorsements
from oracle.collateral.plan import ChainState, plan, wanted_numbers
from oracle.collateral.source import CollateralSource
from oracle.collateral.update import Brought, bring, look

log = structlog.get_logger(__name__)

#: The registry's limit; longer ones go to the verifier by themselves.
MAX_ENDORSEMENTS = 16_384
#: Documents that were fetched this long ago are good enough for a registration.
_FRESH_S = 60.0
_LISTS = (DocumentKind.ROOT_CRL, DocumentKind.PCK_CA, DocumentKind.PCK_CRL)


class KeeperChain(Protocol):
    """The chain, as far as collateral needs it."""

    async def head(self) -> Block:
        """The latest block."""
        ...

    async def image(self, image_id: bytes) -> Image:
        """What the image policy says of an image."""
        ...

    async def machine(self, pck_id: bytes) -> KeptMachine:
        """What the verifier keeps of a machine."""
        ...

    async def collateral(self) -> EvmCollateral:
        """The vendor's collateral by which the verifier appraises."""
        ...

    async def add_endorsements(self, endorsements: bytes) -> Call:
        """Bring what does not fit into a registration."""
        ...


@dataclass(frozen=True, slots=True)
class Stock:
    """The source's documents, and what the chain has of them."""

    documents: tuple[Document, ...]
    state: ChainState

    def fault(self, document: Document) -> str:
        """Why a quote cannot be verified with a document now; empty if it can."""
        fault = self.state.fault(document)
        if not fault and self.state.of(document).digest != document.digest:
            return "another one on the chain, which the source does not have"
        return fault


@dataclass(frozen=True, slots=True)
class Endorsed:
    """What the verifier takes beside a quote.

    Attributes:
        hints: By number of the collateral, the highest first.
        endorsements: What it is to keep first; empty if it has it.
    """

    hints: tuple[DcapHints, ...]
    endorsements: bytes


class CollateralKeeper:
    """Keeps what concerns the machine and the image of the last quote that it saw."""

    def __init__(
        self,
        chain: KeeperChain,
        submitter: Submitter,
        source: CollateralSource,
        *,
        renew_before_s: float,
        clock: Callable[[], float],
    ) -> None:
        """Set up; nothing is asked yet.

        Args:
            chain: Whose collateral.
            submitter: Sends what is brought.
            source: Has the documents.
            renew_before_s: How long before its end a document is replaced by one that says the
                same.
            clock: Monotonic seconds.
        """
        self.stock: Stock | None = None
        self._chain = chain
        self._submitter = submitter
        self._source = source
        self._renew_before_s = renew_before_s
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._platform: Platform | None = None
        self._image_id = b""
        self._fetched: tuple[float, tuple[Document, ...]] | None = None
        self._has_platform = asyncio.Event()

    async def wait_for_platform(self) -> None:
        """Until a quote has said which machine this is."""
        await self._has_platform.wait()

    async def endorse(self, quote: DcapQuote) -> Endorsed:
        """Bring what the chain lacks to verify a quote, and choose what to show with it.

        Raises:
            CollateralUnavailable: Neither source nor chain has what it takes.
            AttestationError: The documents do not fit the quote, or revoke its machine.
            ChainError: No endpoint, no funds, or the chain refuses a document.
        """
        platform = platform_of(quote)
        if (platform, quote.image_id) != (self._platform, self._image_id):
            self._platform, self._image_id, self._fetched = platform, quote.image_id, None
        self._has_platform.set()
        refusal = None
        try:
            await self.refresh(max_age_s=_FRESH_S)
        except CallReverted as error:
            # What the chain does take may be enough.
            refusal = error
        try:
            return await self._endorsed(quote)
        except CollateralUnavailable as error:
            raise (refusal or error) from error

    async def refresh(self, *, max_age_s: float = 0.0) -> Stock:
        """Ask the source, and bring what the chain lacks.

        Args:
            max_age_s: Documents that were fetched within this time are not asked for again, unless
                one of them has ended or the chain has a newer one.

        Raises:
            CollateralUnavailable: The source does not answer, or has nothing for this machine.
            AttestationError: It has something else.
            ChainError: No endpoint, no funds, or the chain refuses a document.
        """
        async with self._one_at_a_time:
            now = (await self._chain.head()).timestamp
            documents = await self._documents(now, max_age_s)
            contract = await self._chain.collateral()
            state = await look(contract, documents, now=now)
            if any(state.is_past(each) for each in documents):
                # What was fetched some time ago was good then.
                documents = await self._documents(now, 0.0)
                state = await look(contract, documents, now=now)
            self.stock = Stock(documents, state)
            due = plan(documents, state, until=now + int(self._renew_before_s))
            if due:
                try:
                    await bring(contract, self._submitter, due, note=_say)
                finally:
                    state = await look(contract, documents, now=now)
                    self.stock = Stock(documents, state)
            return self.stock

    async def _documents(self, now: int, max_age_s: float) -> tuple[Document, ...]:
        if self._fetched is not None and self._clock() - self._fetched[0] < max_age_s:
            return self._fetched[1]
        if self._platform is None:
            raise CollateralUnavailable("no quote has said yet which machine this is")
        image = await self._chain.image(self._image_id)
        documents = await self._source.fetch(
            self._platform,
            lambda table, standard: wanted_numbers(table, standard, image, now=now),
        )
        self._fetched = (self._clock(), documents)
        return documents

    async def _endorsed(self, quote: DcapQuote) -> Endorsed:
        stock = self.stock
        if stock is None:
            raise CollateralUnavailable("there is no collateral yet")
        hints = choose_hints(quote, stock)
        kept = await self._chain.machine(hints[0].machine.pck_id)
        endorsements = _endorsements(quote, hints[0].machine, stock, kept)
        if len(endorsements) > MAX_ENDORSEMENTS:
            await self._submitter.send(await self._chain.add_endorsements(endorsements))
            endorsements = b""
        return Endorsed(hints, endorsements)


def choose_hints(quote: DcapQuote, stock: Stock) -> tuple[DcapHints, ...]:
    """Hints under each number that the chain can verify with, the highest first.

    The highest that the policy accepts makes the longest registration; whether it does is for the
    policy to say.

    Raises:
        CollateralUnavailable: The chain cannot verify the quote by these documents.
        AppraisalFailed: The documents do not fit the quote.
    """
    usable = [each.content for each in stock.documents if not stock.fault(each)]
    identities = {each.number: each for each in usable if isinstance(each, QeIdentity)}
    infos = [each for each in usable if isinstance(each, TcbInfo) and each.number in identities]
    numbers = next((each for each in usable if isinstance(each, EvaluationNumbers)), None)
    lists = [each for each in stock.documents if each.kind in _LISTS]
    if not infos or any(stock.fault(each) for each in lists if _is_above(each, quote)):
        faults = [f"{each.title}: {stock.fault(each)}" for each in stock.documents]
        said = "; ".join(each for each in faults if not each.endswith(": "))
        raise CollateralUnavailable(f"the chain cannot verify this machine's quotes: {said}")
    found: list[DcapHints] = []
    failure: AppraisalFailed | None = None
    for info in sorted(infos, key=lambda each: each.number, reverse=True):
        try:
            found.append(build_hints(quote, info, identities[info.number], numbers))
        except AppraisalFailed as error:
            failure = error
    if not found and failure is not None:
        raise failure
    return tuple(found)


def _is_above(document: Document, quote: DcapQuote) -> bool:
    """Whether a list or a certificate is the root's, or of the CA that issued the machine's."""
    content = document.content
    id_ = content.certificate.id if isinstance(content, Authority) else document.issuer
    return id_ in (b"", quote.ca.id)


def _endorsements(quote: DcapQuote, machine: Machine, stock: Stock, kept: KeptMachine) -> bytes:
    """The machine's certificate with proof that it was not revoked, unless the verifier has it."""
    contents = [each.content for each in stock.documents if each.issuer == quote.ca.id]
    lists = [each for each in contents if isinstance(each, RevocationList)]
    if not lists:
        raise CollateralUnavailable("the source has no revocation list of this machine's PCK CA")
    if machine.serial in lists[0].serials:
        raise AppraisalFailed(
            f"the vendor revoked this machine's certificate {machine.serial:#x}: get a new one from"
            " the vendor, or use another machine"
        )
    state = stock.state
    if kept.valid_until >= state.now and kept.epoch == state.root_crl.epoch:
        return b""
    return encode_endorsements(quote.pck.der, machine.ca_id, lists[0].table)


def _say(brought: Brought) -> None:
    receipt = brought.receipt
    if receipt is None:
        log.info("done_by_another", purpose="collateral", document=brought.document.title)
        return
    log.info(
        "collateral_brought",
        document=brought.document.title,
        tx="0x" + receipt.hash.hex(),
        gas=receipt.gas_used,
    )
