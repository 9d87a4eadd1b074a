"""`scripts/bench attestation`: what registering signers and bringing Intel's collateral costs.

Peers are Automata's DCAP attestation with P256VERIFY, measured on the same EVM, and the receipt of
Flashtestations on Sepolia. With ORACLE_VECTORS set, Intel's recorded documents are brought to
Anvil, too.
"""

import asyncio
from collections.abc import Iterator
from decimal import Decimal

from gas import GasTable, Operation
from rows import Row

from oracle.attestation.codecs.crl import parse_crl
from tests.integration.collateral import Case, recorded, under

OPERATIONS = (
    Operation("register SGX, without event", 145_000, "Automata: 3,898,441"),
    Operation(
        "register TDX, without event", 145_000, "Automata: 3,622,608; Flashtestations: 8,931,626"
    ),
    Operation("register SGX, its event", 16_000),
    Operation("register TDX, its event", 17_500),
    Operation("cache PCK, list of 57 serials", 185_000, "inside the above"),
    Operation("cold start SGX, with event", 330_000, "Automata: 3,898,441"),
    Operation("cold start TDX, with event", 330_000, "Automata: 3,622,608"),
    Operation("renew SGX, with event", 145_000),
    Operation("recheck SGX, extended", 130_000),
    Operation("recheck SGX, suspended", 140_000),
    Operation("revoke, no seat", 40_000),
    Operation("evict PCK, list of 58 serials", 130_000),
    Operation("TCB info, SGX, 6,578 bytes", 330_000, "Automata: 13,110,000"),
    Operation("TCB info, TDX, 2,978 bytes", 220_000, "Automata, 2 levels: 5,830,000"),
    Operation("QE identity, 6 levels", 130_000, "Automata: 2,660,000"),
    Operation("evaluation numbers, 1", 130_000, "Automata: 1,350,000"),
    Operation("PCK CRL, 57 serials", 215_000, "Automata, 52 serials: 3,130,000"),
    Operation("root CRL", 110_000, "Automata: 510,000"),
    Operation("TCB signing certificate", 165_000, "Automata: 820,000"),
    Operation("PCK CA", 165_000, "Automata: 820,000"),
    Operation("isValid, cold", 7_500),
    Operation("isValid, warm", 1_000),
)

TABLE = GasTable("attestation", "*/{AttestationGas,DcapGas}.t.sol", OPERATIONS)

#: Of recorded documents: what brings it, its size, the most gas that is good enough.
_RECORDED = (
    ("updateTcbInfo", 6_578, 330_000),
    ("updateQeIdentity", 1_217, 130_000),
    ("updatePckCrl", 57, 215_000),
    ("updateRootCrl", 0, 110_000),
)


def run() -> Iterator[Row]:
    """Every figure of the table, then those of recorded documents."""
    yield from TABLE.run()
    cases: list[Case] = [parameter.values[0] for parameter in recorded()]
    seen = asyncio.run(_recorded_gas([case for case in cases if case.is_intel]))
    for function, size, target in _RECORDED if cases else ():
        gas = seen.get((function, size))
        value = None if gas is None else Decimal(gas)
        yield Row(f"recorded, {function} of {size:,}", value, "gas", Decimal(target))


async def _recorded_gas(cases: list[Case]) -> dict[tuple[str, int], int]:
    """The most that bringing a document takes, by function and size: bytes, or serial numbers."""
    most: dict[tuple[str, int], int] = {}
    for case in cases:
        async with under(case) as contract:
            gas = await contract.bring(case)
        sizes = {
            "updateRootCrl": len(parse_crl(case.root_crl).serials),
            "updatePckCrl": len(parse_crl(case.pck_crl).serials),
            "updateTcbInfo": len(case.tcb_info.text),
            "updateQeIdentity": len(case.qe_identity.text),
        }
        for function, size in sizes.items():
            most[function, size] = max(most.get((function, size), 0), gas[function])
    return most
