"""What `oracle doctor` finds of the machine: what the vendor says of it, and if that is enough."""

from collections.abc import Sequence

from enclave.domain.errors import AttestationError, ChainError
from oracle.attestation.codecs.dcap import DcapQuote
from oracle.attestation.codecs.dcap_hints import build_hints
from oracle.attestation.codecs.tcb_tables import QeIdentity, TcbInfo, TcbStatus
from oracle.attestation.endorsements.documents import Document
from oracle.attestation.endorsements.errors import CollateralUnavailable
from oracle.attestation.endorsements.pcs import platform_of
from oracle.chain.base import Image
from oracle.chain.evm import EvmChain
from oracle.cli.findings import Finding, Verdict, fail, ok
from oracle.collateral.plan import wanted_numbers
from oracle.collateral.source import open_source
from oracle.config import Config

_CHECK = "platform"


async def check_platform(config: Config, chain: EvmChain, quote: DcapQuote, *, now: int) -> Finding:
    """Whether the source knows this machine, and the policy accepts what it says of it.

    Sends nothing: what the chain lacks of it, the node brings.

    Args:
        config: Names the source.
        chain: Where the image's requirements are asked.
        quote: Of this machine and image.
        now: The chain's time, seconds since the epoch.
    """
    collateral = config.collateral
    source = open_source(collateral.source, timeout_s=collateral.timeout_s)
    try:
        image = await chain.image(quote.image_id)
        documents = await source.fetch(
            platform_of(quote),
            lambda table, standard: wanted_numbers(table, standard, image, now=now),
        )
        statuses = appraise(quote, documents)
    except CollateralUnavailable as error:
        return fail(_CHECK, str(error), "correct collateral.source, or give another source")
    except (AttestationError, ChainError) as error:
        mend = "compare enclave.tee and collateral.source with this machine; see the finding"
        return fail(_CHECK, str(error), mend)
    return judge(statuses, image)


def appraise(quote: DcapQuote, documents: Sequence[Document]) -> dict[int, TcbStatus]:
    """What documents say of the machine, by TCB evaluation data number.

    Raises:
        AttestationError: They do not fit the quote.
    """
    contents = [each.content for each in documents]
    identities = {each.number: each for each in contents if isinstance(each, QeIdentity)}
    infos = [each for each in contents if isinstance(each, TcbInfo) and each.number in identities]
    return {info.number: build_hints(quote, info, identities[info.number]).status for info in infos}


def judge(statuses: dict[int, TcbStatus], image: Image) -> Finding:
    """Whether the policy accepts one of the statuses."""
    said = ", ".join(f"{each.name} under number {number}" for number, each in statuses.items())
    accepted = [image.accepts(each) for each in statuses.values()]
    if not image.is_live or all(accepted):
        return ok(_CHECK, said)
    mend = "update firmware, microcode or TDX module, until the vendor says what the image demands"
    if any(accepted):
        # The older number is taken for as long as the policy's grace lasts.
        return Finding(_CHECK, Verdict.NOTE, said, mend)
    return fail(_CHECK, f"{said}; the image demands another status", mend)
