"""JSON-RPC endpoints of one chain: transport, health, and who is believed."""

from oracle.chain.rpc.errors import (
    RpcBusy,
    RpcFailure,
    RpcMalformed,
    RpcOversized,
    RpcRefused,
    RpcUnreachable,
)
from oracle.chain.rpc.pool import Endpoint, Rpc, open_rpc
from oracle.chain.rpc.values import hex_bytes, quantity

__all__ = [
    "Endpoint",
    "Rpc",
    "RpcBusy",
    "RpcFailure",
    "RpcMalformed",
    "RpcOversized",
    "RpcRefused",
    "RpcUnreachable",
    "hex_bytes",
    "open_rpc",
    "quantity",
]
