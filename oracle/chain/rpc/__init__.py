"""JSON-RPC endpoints of one chain: transport, health, and who is believed."""

from oracle.chain.rpc.endpoint import Endpoint, Health
from oracle.chain.rpc.errors import (
    RpcBusy,
    RpcDisagreement,
    RpcFailure,
    RpcMalformed,
    RpcOversized,
    RpcRefused,
    RpcUnreachable,
)
from oracle.chain.rpc.pool import Rpc, open_rpc
from oracle.chain.rpc.values import hex_bytes, quantity

__all__ = [
    "Endpoint",
    "Health",
    "Rpc",
    "RpcBusy",
    "RpcDisagreement",
    "RpcFailure",
    "RpcMalformed",
    "RpcOversized",
    "RpcRefused",
    "RpcUnreachable",
    "hex_bytes",
    "open_rpc",
    "quantity",
]
