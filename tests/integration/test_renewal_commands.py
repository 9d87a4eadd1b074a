"""`oracle registry renew` and `recheck` beside a running node, through a TCB recovery."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from oracle.config import load_config
from oracle.devnet.deploy import Requirements
from oracle.devnet.operators import make_operators
from oracle.devnet.world import World
from tests.integration.test_commands import _call, _end, _start, _until, _world

GRACE_S = 3_600
REQUIREMENTS = Requirements(recovery_grace_s=GRACE_S)


async def _payer(local: World, folder: Path) -> tuple[str | Path, ...]:
    """Another account that pays; its options."""
    (operator,) = make_operators(folder, (0,))
    await local.chain.call("anvil_setBalance", f"0x{operator.address.hex()}", hex(10**18))
    keys = operator.keys()
    return ("--payer", keys["keystore"], "--payer-password", keys["password_file"])


async def _json(*words: str | Path) -> dict[str, Any]:
    code, out, err = await _call("registry", *words, "--output", "json")
    assert (code, err) == (0, "")
    shown: dict[str, Any] = json.loads(out)
    return shown


async def test_without_an_enclave_it_says_what_to_start() -> None:
    async with _world() as (local, path):
        for command in ("register", "renew"):
            code, out, err = await _call("registry", command, "-c", path)
            assert (code, out) == (3, "")
            folder = load_config(path).enclave.runtime_dir
            assert f"no enclave runs in {folder}: start `oracle run`" in err
        nobody = "0x" + "11" * 20
        code, _, err = await _call("registry", "recheck", nobody, "-c", path)
        assert code == 2
        assert f"{nobody} was never registered at {local.config.chain.registry}" in err


@pytest.mark.timeout(180)
async def test_the_running_enclave_is_renewed_and_rechecked_by_another_account(
    tmp_path: Path,
) -> None:
    async with _world(requirements=REQUIREMENTS) as (local, path):
        payer = await _payer(local, tmp_path)
        node = await _start("run", "-c", path)
        try:
            signer = (await _until(node, "signer_accepted"))["signer"]
            code, _, err = await _call("registry", "renew", "-c", path)
            assert code == 4
            assert "or let another account pay: --payer" in err
            code, _, err = await _call("registry", "register", "-c", path, *payer)
            assert code == 2
            assert f"{signer} is registered and valid: `oracle registry renew`" in err

            await local.chain.call("anvil_mine", hex(2))
            before = await _json("show", signer, "-c", path)
            renewed = await _json("renew", "-c", path, *payer)
            assert (renewed["signer"], renewed["outcome"]) == (signer, "registered")
            assert renewed["limited_by"] == "policy age"
            after = await _json("show", signer, "-c", path)
            assert (before["renewals"], after["renewals"]) == (0, 1)
            assert after["operator"] == before["operator"]
            assert after["transaction"] == renewed["transaction"]

            # Nothing has changed since.
            checked = await _json("recheck", signer, "-c", path, *payer)
            assert (checked["outcome"], checked["transaction"]) == ("nothing to change", None)
            await _recovery(local, path, signer, payer)
        finally:
            assert await _end(node) == 0


async def _recovery(local: World, path: Path, signer: str, payer: tuple[str | Path, ...]) -> None:
    await local.silicon.control("recover-tcb")
    # Within the grace the older number counts, and the end is its own.
    checked = await _json("recheck", signer, "-c", path, *payer)
    assert checked["outcome"] == "nothing to change"
    # The grace is over: under the number that is left the machine is out of date.
    await local.chain.advance(GRACE_S + 60)
    await local.silicon.control("clock", offset_s=GRACE_S + 60)
    await local.silicon.control("publish")
    checked = await _json("recheck", signer, "-c", path, *payer)
    assert (checked["outcome"], checked["valid"]) == ("suspended", False)
    assert checked["refusal"].startswith("ImagePolicy_StatusNotAccepted(seen 5, ")
    shown = await _json("show", signer, "-c", path)
    assert shown["state"] == "suspended"
    assert "ImagePolicy_StatusNotAccepted" in shown["cause"]
    # The machine is updated: the node comes back by itself.
    await local.silicon.control("update-machine")
    async with asyncio.timeout(100):
        while (await _json("show", signer, "-c", path))["state"] != "valid":
            await asyncio.sleep(2)
