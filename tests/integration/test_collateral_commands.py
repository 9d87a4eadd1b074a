"""`oracle collateral` beside a real chain with the contract and a vendor that publishes."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle.config import checksum_address
from oracle.devnet.anvil import Anvil, anvil
from oracle.devnet.artifacts import creation_code
from oracle.devnet.operators import make_operators
from oracle.devnet.silicon_process import Silicon, silicon
from tests.integration.collateral import mined
from tests.integration.test_commands import _call

MACHINE = "tdx:e0e000000000:platform"
KINDS = [
    "root CRL",
    "TCB signing certificate",
    "PCK CA certificate",
    "PCK CRL",
    "evaluation numbers TDX",
    "TCB info TDX e0e000000000, number 17",
    "QE identity TDX, number 17",
]


@dataclass(frozen=True, slots=True)
class Setting:
    chain: Anvil
    vendor: Silicon
    config: Path
    contract: str

    async def call(self, command: str, *more: str | Path) -> tuple[int, str, str]:
        words = ("-c", self.config, "--platform", MACHINE, "--contract", self.contract)
        return await _call("collateral", command, *words, *more)

    async def view(self, command: str, *more: str | Path) -> tuple[int, dict[str, Any]]:
        code, out, err = await self.call(command, "--output", "json", *more)
        assert err == ""
        shown: dict[str, Any] = json.loads(out)
        return code, shown

    async def count(self) -> int:
        """Transactions that the operator has sent."""
        keystore = json.loads((self.config.parent / "node-1/keystore.json").read_text())
        answer = await self.chain.call(
            "eth_getTransactionCount", "0x" + keystore["address"].removeprefix("0x"), "latest"
        )
        return int(answer, 16)


@asynccontextmanager
async def _setting(folder: Path) -> AsyncIterator[Setting]:
    async with silicon(folder / "s.sock") as vendor, anvil() as chain:
        (operator,) = make_operators(folder, (0,))
        await chain.call("anvil_setBalance", f"0x{operator.address.hex()}", hex(10**18))
        sender = (await chain.call("eth_accounts"))[0]
        constants = vendor.constants
        code = creation_code(
            "IntelCollateral", constants.root_certificate, constants.signer_name, True
        )
        receipt = await mined(
            chain, {"from": sender, "gas": hex(16_000_000), "data": f"0x{code.hex()}"}
        )
        contract = checksum_address(receipt["contractAddress"])
        config = folder / "oracle.toml"
        config.write_text(
            f"""\
[chain]
network = "anvil"
rpc_urls = ["{chain.url}"]
registry = "{contract}"
signer_set = "{contract}"
hub = "{contract}"
[keys]
keystore = "{operator.keys()["keystore"]}"
password_file = "{operator.keys()["password_file"]}"
[enclave]
silicon = "{vendor.socket}"
[collateral]
source = "{vendor.pcs}"
"""
        )
        yield Setting(chain, vendor, config, contract)


async def test_what_the_chain_lacks_is_brought_once(short_tmp: Path) -> None:
    async with _setting(short_tmp) as setting:
        await setting.vendor.control("publish", age_s=60)
        await setting.vendor.control("stop-publishing")
        code, before = await setting.view("status")
        assert code == 3
        assert [row["document"] for row in before["documents"]] == KINDS
        assert {row["fault"] for row in before["documents"]} == {"missing"}
        assert all(row["due"] and row["days_left"] == 0 for row in before["documents"])

        code, out, err = await setting.call("update")
        assert (code, err) == (0, "")
        lines = out.splitlines()
        assert [line.split(":")[0] for line in lines[:-1]] == KINDS
        assert all(" gas, transaction 0x" in line for line in lines[:-1])
        assert lines[-1].startswith("7 brought, ")
        assert await setting.count() == 7

        code, after = await setting.view("status")
        assert (code, after["usable"]) == (0, True)
        assert not any(row["due"] for row in after["documents"])
        assert all(row["days_left"] > 29 for row in after["documents"])
        code, out, err = await setting.call("status")
        assert (code, err) == (0, "")
        assert "usable" in out.splitlines()[-1]

        code, out, err = await setting.call("update")
        assert (code, out, err) == (0, "nothing newer; nothing was sent\n", "")
        assert await setting.count() == 7


async def test_only_what_is_newer_is_brought(short_tmp: Path) -> None:
    async with _setting(short_tmp) as setting:
        await setting.vendor.control("publish", age_s=3_600)
        assert (await setting.view("update"))[0] == 0
        await setting.vendor.control("publish", age_s=60)
        code, shown = await setting.view("update")
        assert code == 0
        assert [row["document"] for row in shown["brought"]] == [
            name for name in KINDS if "certificate" not in name
        ]
        assert shown["gas_used"] == sum(row["gas_used"] for row in shown["brought"])


async def test_a_revocation_by_the_root_has_everything_brought_again(short_tmp: Path) -> None:
    async with _setting(short_tmp) as setting:
        await setting.vendor.control("publish", age_s=3_600)
        assert (await setting.view("update"))[0] == 0
        await setting.vendor.control("revoke-by-root", certificate="platform-ca")
        await setting.vendor.control("publish", age_s=60)
        code, _, err = await setting.call("update")
        # The vendor has no other CA: what rests on it is gone for good.
        assert code == 3
        assert "IntelCollateral_Revoked" in err
        code, shown = await setting.view("status")
        faults = {row["document"]: row["fault"] for row in shown["documents"]}
        gone = "verified before a revocation by the root"
        assert code == 3
        assert faults.pop("PCK CA certificate") == faults.pop("PCK CRL") == gone
        assert set(faults.values()) == {""}


async def test_what_cannot_be_is_said_in_one_line(short_tmp: Path) -> None:
    async with _setting(short_tmp) as setting:
        base = ("collateral", "update", "-c", setting.config)
        code, _, err = await _call(*base, "--contract", setting.contract)
        assert code == 2
        assert "has no evidence of this host yet: say --platform or --quote" in err
        code, _, err = await _call(*base, "--platform", "tdx:1:platform")
        assert code == 2
        assert "wanted TEE:FMSPC:CA, such as tdx:b0c06f000000:platform" in err
        code, _, err = await setting.call("status", "--from", "http://localhost:1")
        assert code == 2
        assert "--from: wanted https://…, http://127.0.0.1:PORT or a folder" in err
        code, _, err = await setting.call("status", "--from", "http://127.0.0.1:1")
        assert code == 3
        assert "http://127.0.0.1:1/sgx/certification/v4/rootcacrl: not reachable" in err
        code, _, err = await setting.call("status", "--from", short_tmp / "absent")
        assert code == 3
        assert "absent: cannot be read: No such file or directory" in err
        assert await setting.count() == 0
        assert "Traceback" not in err
