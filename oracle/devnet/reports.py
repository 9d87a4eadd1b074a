"""Reports as they stand on the local chain, for all to check."""

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from enclave.domain.errors import ChainError, ProtocolError, SignatureInvalid
from enclave.domain.report import SignedReport, decode_report, domain_separator, report_digest
from oracle.chain.abi_codec import load_abi
from oracle.config import checksum_address
from oracle.devnet.anvil import CHAIN_ID, Anvil
from oracle.quorum.verification import recover_signer

_SUBMIT = "submit"
_SELECTOR = 4


async def read_signers(chain: Anvil, transaction: bytes) -> tuple[str, ...]:
    """Who signed the report that a transaction brought to a hub.

    Recovered from the transaction's bytes alone; nothing that a node says of itself is used.

    Args:
        chain: Where it is.
        transaction: Hash, 32 bytes.

    Returns:
        Addresses in EIP-55 spelling, in the order of their positions.

    Raises:
        ChainError: There is no such transaction, it brought no report, or a signature is nobody's.
    """
    found = await chain.call("eth_getTransactionByHash", f"0x{transaction.hex()}")
    if found is None:
        raise ChainError(f"no transaction 0x{transaction.hex()}")
    signed = _report(bytes.fromhex(found["input"][2:]))
    domain = domain_separator(CHAIN_ID, bytes.fromhex(found["to"][2:]))
    digest = report_digest(signed.report, domain)
    try:
        signers = [recover_signer(digest, signature) for signature in signed.signatures]
    except SignatureInvalid as error:
        raise ChainError(f"transaction 0x{transaction.hex()}: {error}") from error
    return tuple(checksum_address(f"0x{signer.hex()}") for signer in signers)


def _report(call: bytes) -> SignedReport:
    """The report in a call of `FeedHub.submit`."""
    selector, arguments = call[:_SELECTOR], call[_SELECTOR:]
    if selector != load_abi("FeedHub").functions[_SUBMIT].selector:
        raise ChainError(f"call of 0x{selector.hex()}, wanted FeedHub.{_SUBMIT}")
    try:
        [raw] = decode(["bytes"], arguments)
        return decode_report(raw)
    except (DecodingError, ProtocolError) as error:
        raise ChainError(f"FeedHub.{_SUBMIT} without a report: {error}") from error
