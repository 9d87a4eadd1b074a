"""Reading a contract by its ABI."""

from collections.abc import Sequence
from typing import Any, Protocol

from enclave.domain.errors import ChainError
from oracle.chain.abi_codec import ContractAbi, decode_revert, revert_name
from oracle.chain.base import CallReverted
from oracle.chain.rpc import RpcRefused, hex_bytes


class Requests(Protocol):
    """The endpoints, as far as reading needs them."""

    async def request(self, method: str, params: Sequence[Any]) -> Any:
        """One JSON-RPC call."""
        ...


async def read_contract(
    rpc: Requests,
    contract: tuple[str, ContractAbi],
    name: str,
    *arguments: object,
    block: str = "latest",
) -> Any:
    """Ask a contract's view.

    Raises:
        CallReverted: It refuses; names the check.
        ChainError: No endpoint answers, or there is no such contract.
    """
    address, abi = contract
    data = "0x" + abi.encode_call(name, *arguments).hex()
    try:
        raw = await rpc.request("eth_call", [{"to": address, "data": data}, block])
    except RpcRefused as error:
        if not error.data:
            raise
        reason = decode_revert(abi, error.data)
        raise CallReverted(f"{name}: {reason}", name=revert_name(abi, error.data)) from error
    answer = hex_bytes(raw)
    if not answer and abi.functions[name].outputs:
        raise ChainError(f"{name}: no contract at {address}; check the address and the network")
    return abi.decode_result(name, answer)
