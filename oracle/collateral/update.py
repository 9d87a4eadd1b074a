"""Looking at what a chain keeps of a source's documents, and bringing what it lacks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from oracle.attestation.codecs.crl import RevocationList
from oracle.attestation.codecs.tcb_tables import EvaluationNumbers, QeIdentity, TcbInfo
from oracle.attestation.endorsements.documents import Authority, Document, DocumentKind
from oracle.chain.base import Call, CallReverted, Receipt, Submitter
from oracle.chain.collateral import EvmCollateral, Kept
from oracle.collateral.plan import ChainState

NOT_NEWER = "IntelCollateral_NotNewer"


@dataclass(frozen=True, slots=True)
class Brought:
    """A document that was brought.

    Attributes:
        document: The document.
        receipt: Of its transaction; `None` if another one had been quicker.
    """

    document: Document
    receipt: Receipt | None


async def look(chain: EvmCollateral, documents: Sequence[Document], *, now: int) -> ChainState:
    """What the chain keeps of these documents.

    Args:
        chain: Where to ask.
        documents: In any order.
        now: The chain's time, seconds since the epoch.

    Raises:
        ChainError: No endpoint answers, or there is no such contract.
    """
    lists = [each.content for each in documents if each.kind is DocumentKind.ROOT_CRL]
    serials = {s for each in lists if isinstance(each, RevocationList) for s in each.serials}
    return ChainState(
        now=now,
        root_crl=await chain.root_crl(),
        kept={each.place: await _kept(chain, each) for each in documents},
        revoked=frozenset([serial for serial in serials if await chain.is_revoked(serial)]),
    )


async def bring(
    chain: EvmCollateral,
    submitter: Submitter,
    documents: Sequence[Document],
    *,
    note: Callable[[Brought], None] = lambda brought: None,
) -> None:
    """Bring documents in this order, a transaction for each; `plan` says which.

    One that the chain refuses does not keep the others back.

    Raises:
        CallReverted: The chain refused a document; the first one, with the name of the check.
        ChainError: No endpoint, no funds, fee above the cap.
    """
    refusals = []
    for document in documents:
        try:
            receipt = await submitter.send(_call(chain, document))
        except CallReverted as error:
            if error.name != NOT_NEWER:
                refusals.append(error)
                continue
            receipt = None
        note(Brought(document, receipt))
    if refusals:
        raise refusals[0]


async def _kept(chain: EvmCollateral, document: Document) -> Kept:
    match document.content:
        case Authority(certificate=certificate):
            return await chain.authority(certificate.id)
        case EvaluationNumbers(tee=tee):
            return await chain.numbers(tee)
        case TcbInfo(tee=tee, fmspc=fmspc, number=number):
            return await chain.tcb_info(tee, fmspc, number)
        case QeIdentity(tee=tee, number=number):
            return await chain.qe_identity(tee, number)
    is_root = document.kind is DocumentKind.ROOT_CRL
    return await (chain.root_crl() if is_root else chain.pck_crl(document.issuer))


def _call(chain: EvmCollateral, document: Document) -> Call:
    raw, signature, issuer = document.raw, document.signature, document.issuer
    match document.kind:
        case DocumentKind.ROOT_CRL:
            return chain.bring_root_crl(raw)
        case DocumentKind.SIGNER | DocumentKind.PCK_CA:
            return chain.bring_authority(raw)
        case DocumentKind.PCK_CRL:
            return chain.bring_pck_crl(raw, issuer)
        case DocumentKind.NUMBERS:
            return chain.bring_numbers(raw, signature, issuer)
        case DocumentKind.TCB_INFO:
            return chain.bring_tcb_info(raw, signature, issuer)
        case DocumentKind.QE_IDENTITY:
            return chain.bring_qe_identity(raw, signature, issuer)
