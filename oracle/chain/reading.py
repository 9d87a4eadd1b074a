"""Reading a contract by its ABI, and its events."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from enclave.domain.errors import ChainError
from oracle.chain.abi_codec import ContractAbi, decode_revert, revert_name
from oracle.chain.base import CallReverted
from oracle.chain.rpc import RpcOversized, RpcRefused, hex_bytes

#: Blocks whose events are asked for at once; halved where an endpoint refuses so many.
MAX_BLOCKS = 10_000


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
    block: Any = "latest",
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


async def read_logs(
    rpc: Requests, wanted: Mapping[str, Any], from_block: int, to_block: int
) -> AsyncIterator[tuple[int, list[Any]]]:
    """Events, a bounded number of blocks at a time, with the last block of each.

    Args:
        rpc: Endpoints.
        wanted: `address` and `topics` of `eth_getLogs`.
        from_block: First height.
        to_block: Last height.

    Raises:
        ChainError: No endpoint answers, or with something else.
    """
    size = MAX_BLOCKS
    first = from_block
    while first <= to_block:
        last = min(to_block, first + size - 1)
        span = {"fromBlock": hex(first), "toBlock": hex(last)}
        try:
            logs = await rpc.request("eth_getLogs", [{**wanted, **span}])
        except (RpcRefused, RpcOversized):
            # Too many blocks or events for this endpoint; they say so in many ways.
            if first == last:
                raise
            size = (last - first + 1) // 2
            continue
        if not isinstance(logs, list):
            raise ChainError("the endpoint's logs are none")
        yield last, logs
        first = last + 1
