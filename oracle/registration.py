"""From evidence to a seat: register the signer, renew it in time, and bring the hub up to date.

Every step first asks whether it is needed, so it can be repeated after any interruption.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from enclave.domain import wire
from enclave.domain.errors import AppraisalFailed, AttestationError, ChainError
from enclave.domain.evidence import RegistrationContext, report_data
from oracle.attestation.codecs.dcap import DcapQuote, split_quote
from oracle.attestation.codecs.dcap_hints import DcapHints
from oracle.chain.base import (
    Call,
    CallReverted,
    Chain,
    Receipt,
    Registration,
    Seat,
    SignerStatus,
    Submitter,
)
from oracle.collateral.keeper import Endorsed
from oracle.config import checksum_address

log = structlog.get_logger(__name__)

#: Begins the names of the image policy's errors.
POLICY = "ImagePolicy_"
TOO_SOON = "SignerSet_TooSoon"
NO_SEAT = "SignerSet_NoSeat"
NOTHING_TO_REBUILD = "FeedHub_NothingToRebuild"


class SignerRevoked(AttestationError):
    """The registry revoked this key for good: only a new enclave, with a new key, can go on."""


class SignerSuspended(AttestationError):
    """The vendor's collateral says that this machine is not good enough; it may come back."""


class Endorser(Protocol):
    """Knows what the verifier takes beside a quote."""

    async def endorse(self, quote: DcapQuote) -> Endorsed:
        """Bring what the chain lacks to verify a quote, and choose what to show with it."""
        ...


class Attester(Protocol):
    """The enclave, as far as registration needs it."""

    async def attest(self, request: wire.Attest) -> wire.AttestResult:
        """Evidence bound to a chain, registry, operator and recent block."""
        ...


class EvidenceJournal(Protocol):
    """Where evidence is kept."""

    async def add_evidence(
        self, *, chain_id: int, registry: str, signer: str, ref_block: int, evidence: bytes
    ) -> None:
        """Keep the vendor's whole evidence."""
        ...

    async def has_signer(self, *, chain_id: int, registry: str, signer: str) -> bool:
        """Whether an enclave of this host once had this signer."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """The enclave's keys: signer address (20 bytes) and X25519 public key (32 bytes)."""

    signer: bytes
    hpke_public_key: bytes

    @property
    def address(self) -> str:
        """The signer in EIP-55 spelling."""
        return checksum_address("0x" + self.signer.hex())


@dataclass(frozen=True, slots=True)
class Standing:
    """What the chain makes of a signer.

    Attributes:
        status: From the registry.
        position: Bit in a report's mask.
    """

    status: SignerStatus
    position: int


class Registrar:
    """Registers the signers of one operator at one registry."""

    def __init__(
        self,
        chain: Chain,
        submitter: Submitter,
        journal: EvidenceJournal,
        endorser: Endorser,
        *,
        chain_id: int,
        registry: str,
        operator: str | None = None,
    ) -> None:
        """Set up; nothing is asked yet.

        Args:
            chain: Where signers are registered.
            submitter: Pays.
            journal: Keeps evidence.
            endorser: Knows what the verifier takes beside a quote.
            chain_id: EIP-155.
            registry: `AttestationRegistry`.
            operator: Who answers for the signers; the submitter unless given.
        """
        self._chain = chain
        self._operator = submitter.address if operator is None else operator
        self._submitter = submitter
        self._journal = journal
        self._endorser = endorser
        self._chain_id = chain_id
        self._registry = registry

    async def ensure(
        self,
        identity: Identity,
        attester: Attester,
        *,
        renew_before_s: float = 0.0,
        living: Collection[str] = (),
    ) -> Standing:
        """Bring the signer to where the hub takes its reports.

        1. Register it, or renew it if it ends within `renew_before_s` of the chain's time, or was
           suspended.
        2. Put it into the operator's seat.
        3. Rebuild the hub's table if that would change it.

        Args:
            identity: Whose.
            attester: Its enclave.
            renew_before_s: See 1.
            living: Signers of other enclaves of this host that run: not to be revoked in 2.

        Raises:
            SignerRevoked: The key is lost for good.
            SignerSuspended: The platform is not acceptable now.
            AttestationError: The evidence is not acceptable.
            CollateralUnavailable: Neither source nor chain has what the evidence is verified by.
            CallReverted: The registry, the signer set or the hub refuses; names the check.
            ChainError: No endpoint, no funds, fee above the cap.
        """
        # 1. Registration.
        status = await self._chain.signer(identity.signer)
        if status.is_revoked:
            raise SignerRevoked(f"signer {identity.address} was revoked; it needs a new key")
        head = await self._chain.head()
        if not status.is_valid or status.expires_at - head.timestamp < renew_before_s:
            await self._renew(identity, attester, status)
            status = await self._chain.signer(identity.signer)
        # 2. Seat.
        seat = await self._seat()
        if seat.position(identity.address) is None:
            await self._take(seat, identity, living)
            seat = await self._seat()
        position = seat.position(identity.address)
        if position is None:
            raise ChainError(f"signer {identity.address} is not in seat {seat.number}")
        # 3. Table.
        if await self._chain.needs_rebuild():
            await self._rebuild()
        return Standing(status, position)

    async def register(self, identity: Identity, attester: Attester) -> Receipt:
        """Register or renew the signer now, whether or not that is due; nothing else.

        Raises:
            OracleError: As `ensure`.
        """
        status = await self._chain.signer(identity.signer)
        if status.is_revoked:
            raise SignerRevoked(f"signer {identity.address} was revoked; it needs a new key")
        return await self._renew(identity, attester, status)

    async def _renew(self, identity: Identity, attester: Attester, status: SignerStatus) -> Receipt:
        try:
            return await self._register(identity, attester)
        except (CallReverted, AppraisalFailed) as error:
            if not status.is_suspended:
                raise
            raise SignerSuspended(
                f"signer {identity.address} is suspended: {error}; update this machine (firmware,"
                " microcode, TDX module), or wait for collateral that accepts it; the node renews"
                " by itself as soon as it can"
            ) from error

    async def _rebuild(self) -> None:
        """Rebuild the hub; another operator may have been quicker."""

        async def is_done() -> bool:
            return not await self._chain.needs_rebuild()

        await self._send(self._chain.rebuild(), is_done, already=NOTHING_TO_REBUILD)
        log.info("hub_rebuilt")

    async def _send(
        self, call: Call, is_done: Callable[[], Awaitable[bool]], *, already: str = ""
    ) -> None:
        """Send a call; one that fails because somebody else has done it already has not failed.

        Args:
            call: What anybody may do, and so do the nodes of other operators.
            is_done: Looks at the chain.
            already: Name of the error by which the contract says so itself; it may speak of a block
                that is still to come.
        """
        try:
            await self._submitter.send(call)
        except CallReverted as error:
            if not (already and error.name == already) and not await is_done():
                raise
            log.info("done_by_another", purpose=call.purpose, seen=str(error))

    async def _register(self, identity: Identity, attester: Attester) -> Receipt:
        context = await self._context()
        request = wire.Attest(
            context.chain_id,
            context.registry,
            context.operator,
            context.ref_block,
            context.block_hash,
        )
        result = await attester.attest(request)
        quote = split_quote(result.evidence)
        _check_binding(quote, context, identity)
        await self._journal.add_evidence(
            chain_id=self._chain_id,
            registry=self._registry,
            signer=identity.address,
            ref_block=context.ref_block,
            evidence=result.evidence,
        )
        endorsed = await self._endorser.endorse(quote)
        receipt = await self._send_registration(
            Registration(
                signer=identity.signer,
                operator=self._operator,
                hpke_public_key=identity.hpke_public_key,
                ref_block=context.ref_block,
                evidence=quote.evidence,
                hints=b"",
                endorsements=endorsed.endorsements,
                signature=result.signature,
            ),
            endorsed.hints,
        )
        log.info(
            "signer_registered",
            signer=identity.address,
            image="0x" + quote.image_id.hex(),
            tx="0x" + receipt.hash.hex(),
            gas=receipt.gas_used,
        )
        return receipt

    async def _send_registration(
        self, registration: Registration, choices: Sequence[DcapHints]
    ) -> Receipt:
        """Send it with the first hints under which the policy accepts the platform."""
        calls = [
            self._chain.register(replace(registration, hints=hints.packed)) for hints in choices
        ]
        return await send_first(self._submitter, calls)

    async def _context(self) -> RegistrationContext:
        """What the evidence is bound to.

        The reference block is the head's parent: some endpoints estimate in the context of the
        head itself, for which the head's own hash is not known.
        """
        head = await self._chain.head()
        if head.number == 0:
            raise ChainError("the chain has no block yet that evidence could refer to")
        return RegistrationContext(
            chain_id=self._chain_id,
            registry=bytes.fromhex(self._registry[2:]),
            operator=bytes.fromhex(self._operator[2:]),
            ref_block=head.number - 1,
            block_hash=head.parent_hash,
        )

    async def _seat(self) -> Seat:
        try:
            return await self._chain.seat(self._operator)
        except CallReverted as error:
            if error.name != NO_SEAT:
                raise
            raise CallReverted(
                f"operator {self._operator} has no seat: governance must add one"
                " (SignerSet.addSeat)",
                name=error.name,
            ) from error

    async def _take(self, seat: Seat, identity: Identity, living: Collection[str]) -> None:
        """Take the seat; a dead signer of this host that holds it back is revoked first.

        A seat changes at most once an hour while its newest signer is valid. The key of an enclave
        that this host ran before died with its process, so revoking it harms nobody; the signer of
        another host's enclave is left alone.
        """
        try:
            await self._submitter.send(self._chain.take(seat.number, identity.signer))
        except CallReverted as error:
            newest = seat.signers[seat.newest]
            if error.name != TOO_SOON or newest is None or newest in living:
                raise
            if not await self._was_ours(newest):
                raise
            log.info("dead_signer_revoked", signer=newest)
            await self._submitter.send(self._chain.revoke(bytes.fromhex(newest[2:])))
            await self._submitter.send(self._chain.take(seat.number, identity.signer))
        log.info("seat_taken", seat=seat.number, signer=identity.address)

    async def _was_ours(self, signer: str) -> bool:
        return await self._journal.has_signer(
            chain_id=self._chain_id, registry=self._registry, signer=signer
        )


def _check_binding(quote: DcapQuote, context: RegistrationContext, identity: Identity) -> None:
    """Do not pay gas for evidence of something else; the registry checks the same."""
    wanted = report_data(context, signer=identity.signer, hpke_public_key=identity.hpke_public_key)
    if quote.report_data != wanted:
        raise AppraisalFailed(
            f"evidence has report data {quote.report_data.hex()}, wanted {wanted.hex()}"
        )


async def send_first(submitter: Submitter, calls: Sequence[Call]) -> Receipt:
    """Send the first of several calls that the image policy does not refuse.

    Raises:
        CallReverted: It refuses all, or another check does one; the last refusal.
        ChainError: No endpoint, no funds, fee above the cap.
    """
    *others, last = calls
    for call in others:
        try:
            return await submitter.send(call)
        except CallReverted as error:
            if not error.name.startswith(POLICY):
                raise
            log.info("hints_refused", purpose=call.purpose, error=str(error))
    return await submitter.send(last)


def renewal_margin_s(*, registered_at: int, expires_at: int, wanted_s: float) -> float:
    """How long before its end a registration is renewed.

    Args:
        registered_at: Seconds since the epoch.
        expires_at: Seconds since the epoch.
        wanted_s: The operator's wish; at most a third of the whole life counts.
    """
    return min(wanted_s, max(0, expires_at - registered_at) / 3)
