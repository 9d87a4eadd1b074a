"""`oracle registry` beside a real chain on which a real node has registered its signer."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from enclave.domain.report import keccak256
from oracle.config import load_config
from tests.integration.test_commands import _call, _end, _start, _until, _world


async def _list(path: Path) -> list[dict[str, Any]]:
    code, out, err = await _call("registry", "list", "-c", path, "--output", "json")
    assert (code, err) == (0, "")
    rows: list[dict[str, Any]] = json.loads(out)
    return rows


async def _days_left(path: Path) -> dict[str, float]:
    """What the running node's metrics say, by cause."""
    url = f"http://127.0.0.1:{load_config(path).http.port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        families = text_string_to_metric_families(await response.text())
    return {
        sample.labels["cause"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == "oracle_attestation_days_left"
    }


@pytest.mark.timeout(120)
async def test_a_signer_is_listed_shown_revoked_and_never_returns(tmp_path: Path) -> None:
    async with _world() as (local, path):
        assert await _list(path) == []
        node = await _start("run", "-c", path)
        try:
            signer = (await _until(node, "signer_accepted"))["signer"]
            # The account and the journal are the running node's.
            code, _, err = await _call("registry", "revoke", signer, "--yes", "-c", path)
            assert code == 4
            assert "another daemon works with the journal" in err
            days = await _days_left(path)
        finally:
            assert await _end(node) == 0

        (row,) = await _list(path)
        assert row["signer"] == signer
        assert (row["state"], row["position"], row["tee"], row["tier"]) == (
            "valid",
            0,
            "TDX",
            "DEV",
        )
        assert row["image_id"] == "0x" + local.image_id.hex()
        assert row["days_left"] > 0
        # The host's clock and the chain's are not the same.
        assert list(days) == [row["limited_by"]]
        assert abs(days[row["limited_by"]] - row["days_left"]) < 0.02

        file = tmp_path / "evidence.bin"
        words = ("registry", "show", signer, "-c", path, "--output", "json", "--evidence", file)
        code, out, _ = await _call(*words)
        shown = json.loads(out)
        assert code == 0
        assert shown == row | {"days_left": shown["days_left"]}
        evidence = file.read_bytes()
        assert shown["evidence_keccak"] == "0x" + keccak256(evidence).hex()
        assert shown["evidence_bytes"] == len(evidence)
        receipt = await local.chain.call("eth_getTransactionReceipt", shown["transaction"])
        assert any(evidence.hex() in log["data"] for log in receipt["logs"])

        code, _, err = await _call(*words)
        assert code == 2
        assert f"{file}: File exists; wanted a new file" in err
        assert file.read_bytes() == evidence

        await local.chain.call("evm_mine")
        head = str(int(await local.chain.call("eth_blockNumber"), 16))
        code, _, err = await _call("registry", "show", signer, "-c", path, "--from-block", head)
        assert code == 3
        assert "give an earlier --from-block" in err

        # Nobody answers the question, so nothing is sent.
        code, _, err = await _call("registry", "revoke", signer, "-c", path)
        assert code == 1
        assert (await _list(path))[0]["state"] == "valid"

        code, out, err = await _call("registry", "revoke", signer, "--yes", "-c", path)
        assert (code, err) == (0, "")
        assert f"revoked {signer} in block" in out
        assert "takes no reports until it is rebuilt" in out
        (row,) = await _list(path)
        assert (row["state"], row["days_left"]) == ("revoked", 0)
        assert row["cause"].startswith(f"revoked by {row['operator']} in block")

        code, out, _ = await _call("registry", "revoke", signer, "--yes", "-c", path)
        assert code == 0
        assert "revoked before; nothing was sent" in out


async def test_a_signer_that_never_was_and_an_endpoint_that_is_not_there() -> None:
    async with _world() as (local, path):
        nobody = "0x" + "11" * 20
        for words in (("show", nobody), ("revoke", nobody, "--yes")):
            code, out, err = await _call("registry", *words, "-c", path)
            assert (code, out) == (2, "")
            assert f"{nobody} was never registered at {local.config.chain.registry}" in err

        path.write_text(
            path.read_text().replace(local.config.chain.rpc_urls[0], "http://127.0.0.1:1")
        )
        code, out, err = await _call("registry", "list", "-c", path)
        assert (code, out) == (3, "")
        assert "endpoint 1 of 1" in err
        assert "Traceback" not in err
