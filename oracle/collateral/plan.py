"""Which documents a chain lacks, and in which order it takes them (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oracle.attestation.codecs.crl import RevocationList
from oracle.attestation.codecs.tcb_tables import EvaluationNumbers
from oracle.attestation.endorsements.documents import Document, DocumentKind
from oracle.chain.base import Image
from oracle.chain.collateral import NOTHING, Kept

#: As far ahead as a date can be: whatever is newer is brought.
ALWAYS = 2**40
_AUTHORITIES = (DocumentKind.SIGNER, DocumentKind.PCK_CA)


@dataclass(frozen=True, slots=True)
class ChainState:
    """What a chain has of the documents of a source.

    Attributes:
        now: The chain's time, seconds since the epoch.
        root_crl: What it keeps of the root's list.
        kept: What it keeps of each document, by `Document.place`.
        revoked: Serial numbers of the source's root list that the chain has seen on one.
    """

    now: int
    root_crl: Kept
    kept: Mapping[tuple[object, ...], Kept]
    revoked: frozenset[int]

    def of(self, document: Document) -> Kept:
        """What it keeps in a document's place."""
        return self.kept.get(document.place, NOTHING)

    def is_past(self, document: Document) -> bool:
        """Whether a document has ended, or the chain has a newer one."""
        return document.ends_at < self.now or document.issued_at < self.of(document).issued_at

    def fault(self, document: Document) -> str:
        """Why what is kept in a document's place cannot be used now; empty if it can."""
        kept = self.of(document)
        if not kept.valid_until:
            return "missing"
        if kept.epoch != self.root_crl.epoch:
            return "verified before a revocation by the root"
        return "ended" if kept.valid_until < self.now else ""


def plan(
    documents: Sequence[Document], state: ChainState, *, until: int = ALWAYS
) -> tuple[Document, ...]:
    """What to bring, in the order in which the chain takes it.

    1. The root's list, if it is newer. If it names a serial number for the first time, everything
       else has to be verified again.
    2. Certificates that are not kept, or were verified before a revocation.
    3. Other documents that are not kept, or are not usable, or are newer than what is kept.

    What is newer but says the same is left out while what is kept is usable `until` then.
    A document that has ended is left out: the chain would refuse it.

    Args:
        documents: What there is, as `assemble` orders it.
        state: What the chain has of it.
        until: Seconds since the epoch.
    """
    current = [each for each in documents if state.now <= each.ends_at]
    # 1. The root's list decides in which epoch the rest is verified.
    roots = [
        each
        for each in current
        if each.kind is DocumentKind.ROOT_CRL and _replaces(each, state.root_crl, until)
    ]
    epoch = max(1, state.root_crl.epoch) + sum(_has_news(each, state) for each in roots)
    # 2., 3. Everything below it.
    rest = [each for each in current if each.kind is not DocumentKind.ROOT_CRL]
    due = [each for each in rest if _is_due(each, state.of(each), epoch, until)]
    return (*roots, *due)


def wanted_numbers(
    table: EvaluationNumbers | None, standard: int, image: Image, *, now: int
) -> frozenset[int]:
    """Which TCB evaluation data numbers a platform of an image needs.

    The vendor's standard one; the lowest that the policy takes now, under which a platform that has
    not been updated is judged most leniently; and the lowest that it takes for a whole life of a
    registration, under which one that has been updated stays registered.

    Args:
        table: Those that there are; `None` if it is not known.
        standard: What the vendor calls so; lower ones are not looked at.
        image: What the policy demands.
        now: Seconds since the epoch.
    """
    least = max(standard, image.min_number)
    found = sorted(
        (each for each in (table.numbers if table else ()) if each.number >= least),
        key=lambda each: each.number,
    )
    if not found or image.recovery_grace_s is None:
        return frozenset({standard, least})
    # A number is taken until the grace after the next one's publication is over.
    ends = [each.recovery_at + image.recovery_grace_s for each in found[1:]]
    wanted = {standard}
    for moment in (now, now + image.max_age_s):
        wanted.add(found[sum(end <= moment for end in ends)].number)
    return frozenset(wanted)


def _has_news(root_crl: Document, state: ChainState) -> bool:
    """Whether the chain begins another epoch with this list; it does not with its first."""
    content = root_crl.content
    serials = content.serials if isinstance(content, RevocationList) else ()
    return state.root_crl.epoch > 0 and not state.revoked.issuperset(serials)


def _is_due(document: Document, kept: Kept, epoch: int, until: int) -> bool:
    if not kept.valid_until:
        return True
    if document.kind in _AUTHORITIES:
        return kept.epoch != epoch
    if kept.epoch != epoch:
        return document.issued_at >= kept.issued_at
    return _replaces(document, kept, until)


def _replaces(document: Document, kept: Kept, until: int) -> bool:
    """Whether it is newer, and says something else or is needed before the other one ends."""
    is_other = kept.digest != document.digest or kept.valid_until < until
    return document.issued_at > kept.issued_at and is_other
