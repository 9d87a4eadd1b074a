"""The contracts' verdict on a recorded quote, on a real chain."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from enclave.domain.errors import AttestationError
from enclave.domain.report import keccak256
from oracle.attestation.codecs.crl import parse_crl
from oracle.attestation.codecs.dcap import Certificate, DcapQuote, parse_pem_chain, split_quote
from oracle.attestation.codecs.dcap_hints import DcapHints, build_hints, hints_of_refusal
from oracle.attestation.codecs.pcs import (
    SIGNATURE_SIZE,
    SignedText,
    parse_qe_identity,
    parse_tcb_info,
)
from oracle.attestation.codecs.tcb_tables import EvaluationNumbers, QeIdentity, TcbInfo
from oracle.chain.abi_codec import decode_revert
from oracle.devnet.anvil import anvil
from tests.integration.collateral import (
    Chained,
    construction_error,
    created,
    name_hash,
    signed_arguments,
)
from tests.integration.recorded_evidence import Policy, Recorded

ANY_NUMBER = 2**32 - 1
_MAX_AGE_S = 86_400
_NOBODY = "0x" + "0b" * 20


class Refused(Exception):
    """What refused, and why."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What a case's collateral says."""

    info: TcbInfo
    identity: QeIdentity
    numbers: EvaluationNumbers | None
    serials: bytes


@dataclass(frozen=True, slots=True)
class Shown:
    """A quote that the verifier took.

    Attributes:
        quote: Taken apart.
        hints: That were shown.
        raw: The claims as the verifier encodes them.
        claims: Decoded.
    """

    quote: DcapQuote
    hints: DcapHints
    raw: bytes
    claims: dict[str, Any]


@dataclass(slots=True)
class Court:
    """Contracts under one root that have what a case brings.

    Attributes:
        collateral: `IntelCollateral`.
        verifier: `DcapVerifier` on it.
        root: Certificate of the trusted root.
        tables: What the collateral says.
        gas: Of whole transactions, by function.
    """

    collateral: Chained
    verifier: Chained
    root: bytes
    tables: Tables
    gas: dict[str, int] = field(default_factory=dict)

    async def verify(self, raw: bytes) -> Shown:
        """Cache the machine of a quote and have the quote verified.

        Raises:
            Refused: By the parser of quotes, or by the verifier.
        """
        quote = _split(raw, self.root)
        tables = self.tables
        arguments = (quote.pck.der, quote.ca.id, tables.serials)
        self.gas["cachePck"] = await attempt(self.verifier, "cachePck", *arguments)
        shown = (quote, tables.info, tables.identity, tables.numbers)
        try:
            hints = build_hints(*shown)
        except AttestationError:
            # Nobody would send these; the contract itself is to say no.
            packed = _refused_hints(*shown)
            await attempt(self.verifier, "verify", quote.evidence, packed)
            raise AssertionError("the verifier took what the codec refuses") from None
        call = ("verify", quote.evidence, hints.packed)
        self.gas["verify"] = await attempt(self.verifier, *call)
        encoded = await self.verifier.answer(*call)
        return Shown(quote, hints, encoded, self.verifier.codec.decode_result("verify", encoded))

    async def appraise(
        self, shown: Shown, policy: Policy, *, recovery_grace_s: int = ANY_NUMBER
    ) -> str:
        """What a policy of its own says of the claims; empty if it accepts them."""
        chain, sender = self.verifier.chain, self.verifier.sender
        image_policy = await created(
            chain, sender, "ImagePolicy", sender, sender, 0, _NOBODY, _NOBODY
        )
        statuses = sum(1 << status for status in policy.statuses)
        advisories = sorted(set(shown.hints.advisories) - policy.denied)
        requirements: tuple[Any, ...] = (
            _MAX_AGE_S,
            statuses,
            0,
            recovery_grace_s,
            0,
            [],
            advisories,
        )
        claims = shown.claims
        provenance = ("a source", b"\1" * 20, b"\1" * 32)
        approval = (claims["imageId"], claims["tee"], *provenance, requirements)
        approve = image_policy.codec.encode_call("approveImage", approval)
        await image_policy.send("propose", approve)
        await image_policy.send("execute", approve)
        # The claims go from the one contract to the other as they are.
        data = image_policy.codec.functions["appraise"].selector + shown.raw
        call = {"to": image_policy.address, "data": f"0x{data.hex()}"}
        answer = await chain.call("eth_call", call, "latest")
        appraisal = image_policy.codec.decode_result("appraise", bytes.fromhex(answer[2:]))
        refusal: bytes = appraisal["refusal"]
        return decode_revert(image_policy.codec, refusal) if refusal else ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the contracts say of a case.

    Attributes:
        refusal: Why no policy was asked; empty if the quote was verified.
        shown: The verified quote; None if it was refused.
        by_policy: Why each policy refuses; empty text for one that accepts.
        taken: Derived negatives that the verifier did not refuse; must be empty.
        gas: Of whole transactions, by function.
    """

    refusal: str
    shown: Shown | None
    by_policy: Mapping[str, str]
    taken: tuple[str, ...]
    gas: Mapping[str, int]

    def accepts(self, policy: Policy) -> bool:
        """Whether the quote was verified and the policy takes the claims."""
        return self.shown is not None and self.by_policy[policy.name] == ""


async def judge(case: Recorded) -> Verdict:
    """The verdict on a case under each of its policies."""
    try:
        async with court(case) as contracts:
            return await _heard(case, contracts)
    except Refused as refused:
        return Verdict(str(refused), None, {}, (), {})


async def _heard(case: Recorded, contracts: Court) -> Verdict:
    try:
        shown, refusal = await contracts.verify(case.raw), ""
    except Refused as refused:
        shown, refusal = None, str(refused)
    gas = dict(contracts.gas)
    by_policy = {}
    if shown is not None:
        for policy in case.policies:
            by_policy[policy.name] = await contracts.appraise(shown, policy)
    taken = [why for raw, why in case.negatives if await _is_taken(contracts, raw)]
    return Verdict(refusal, shown, by_policy, tuple(taken), gas)


async def _is_taken(contracts: Court, raw: bytes) -> bool:
    try:
        await contracts.verify(raw)
    except Refused:
        return False
    return True


@asynccontextmanager
async def court(case: Recorded) -> AsyncIterator[Court]:
    """Contracts under a case's root, at the moment when it verifies, with its collateral.

    Raises:
        Refused: The case has no collateral, or the contracts do not take it.
    """
    fields, now = case.fields, case.now
    if fields is None or now is None:
        raise Refused("host: no collateral")
    quote = _split(case.raw, case.root)
    documents, tables = _parsed(fields)
    signers = [_first(fields, f"{name}_issuer_chain") for name in ("tcb_info", "qe_identity")]
    name = name_hash(signers[0].der)
    async with anvil(stopped_at=now) as chain:
        sender = (await chain.call("eth_accounts"))[0]
        arguments = (case.root, name, True)
        error = await construction_error(chain, "IntelCollateral", *arguments)
        if error is not None:
            raise Refused(f"IntelCollateral: {error}")
        contract = await created(chain, sender, "IntelCollateral", *arguments)
        await attempt(contract, "updateRootCrl", _bytes(fields, "root_ca_crl"))
        for signer in {each.id: each for each in signers}.values():
            await attempt(contract, "cacheAuthority", signer.der)
        # The quote's own CA has issued the machine's certificate; it may come with another's list.
        told = _first(fields, "pck_crl_issuer_chain")
        pck_crl = _bytes(fields, "pck_crl")
        for authority in {each.id: each for each in (told, quote.ca)}.values():
            await attempt(contract, "cacheAuthority", authority.der)
            await attempt(contract, "updatePckCrl", pck_crl, authority.id)
        for function, document, signer in zip(
            ("updateTcbInfo", "updateQeIdentity"), documents, signers, strict=True
        ):
            await attempt(contract, function, *signed_arguments(document, signer.id))
        if case.numbers is not None:
            signer = case.numbers.signer
            await attempt(contract, "cacheAuthority", signer.der)
            shown = signed_arguments(case.numbers.document, signer.id)
            await attempt(contract, "updateEvaluationNumbers", *shown)
            tables = Tables(tables.info, tables.identity, case.numbers.numbers, tables.serials)
        verifier = await created(chain, sender, "DcapVerifier", contract.address)
        yield Court(contract, verifier, case.root, tables)


async def attempt(contract: Chained, function: str, *arguments: Any) -> int:
    """Gas of a transaction.

    Raises:
        Refused: It would revert; with an error that has a name, and no panic, which are faults.
    """
    if await contract.error(function, *arguments) is not None:
        raise Refused(f"{function}: {await contract.refusal(function, *arguments)}")
    return await contract.send(function, *arguments)


def hardware_id(ppid: bytes) -> bytes:
    """The vendor byte of Intel and its platform id, hashed."""
    return keccak256(b"\1" + ppid)


def _split(raw: bytes, root: bytes) -> DcapQuote:
    try:
        quote = split_quote(raw)
    except AttestationError as error:
        raise Refused(f"host: {error}") from error
    if quote.root is None or quote.root.der != root:
        raise Refused("host: the quote's chain ends at another root")
    return quote


def _parsed(fields: Mapping[str, str]) -> tuple[tuple[SignedText, SignedText], Tables]:
    info, identity = (
        SignedText(_field(fields, name).encode(), _signature(fields, f"{name}_signature"))
        for name in ("tcb_info", "qe_identity")
    )
    try:
        tables = Tables(
            parse_tcb_info(info.text),
            parse_qe_identity(identity.text),
            None,
            parse_crl(_bytes(fields, "pck_crl")).table,
        )
    except AttestationError as error:
        raise Refused(f"host: {error}") from error
    return (info, identity), tables


def _refused_hints(
    quote: DcapQuote, info: TcbInfo, identity: QeIdentity, numbers: EvaluationNumbers | None
) -> bytes:
    try:
        return hints_of_refusal(quote, info, identity, numbers)
    except AttestationError as error:
        raise Refused(f"host: {error}") from error


def _first(fields: Mapping[str, str], name: str) -> Certificate:
    try:
        return parse_pem_chain(_field(fields, name).encode())[0]
    except (AttestationError, IndexError) as error:
        raise Refused(f"host: {name}: {error}") from error


def _field(fields: Mapping[str, str], name: str) -> str:
    if name not in fields:
        raise Refused(f"host: collateral lacks {name}")
    return fields[name]


def _bytes(fields: Mapping[str, str], name: str) -> bytes:
    try:
        return bytes.fromhex(_field(fields, name))
    except ValueError as error:
        raise Refused(f"host: {name} is not hexadecimal") from error


def _signature(fields: Mapping[str, str], name: str) -> bytes:
    signature = _bytes(fields, name)
    if len(signature) != SIGNATURE_SIZE:
        raise Refused(f"host: {name} of {len(signature)} bytes, wanted {SIGNATURE_SIZE}")
    return signature
