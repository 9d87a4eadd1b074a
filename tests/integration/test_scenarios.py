"""`oracle demo --scenario` as a newcomer calls it: each event, and what the chain makes of it."""

import asyncio
import json
import re
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from enclave.domain.evidence import TeeKind
from oracle.cli.demo_scenarios import ScenarioName
from oracle.devnet.scenarios import (
    SCENARIOS,
    Scenario,
    ScenarioFailed,
    ScenarioOptions,
    Step,
    perform,
)
from oracle.devnet.scenarios.play import Play
from oracle.feeds.catalogue import load_catalogue, select
from tests.integration.processes import adopting_orphans, left_behind
from tests.integration.test_demo import line_with, run, running

#: Who must say what, in this order, and facts that the chain must have stated.
EXPECTED: dict[str, list[tuple[str, str, dict[str, Any]]]] = {
    "tcb-recovery": [
        ("node", "registers its enclave's signer", {"tcb_status": 1, "evaluation_number": 17}),
        ("vendor", "makes a vulnerability public", {"number": 18}),
        ("anyone", "cannot be suspended", {"refusal": "ImagePolicy_StatusNotAccepted"}),
        ("consumer", "reads on within the grace", {}),
        ("anyone", "it is suspended", {"event": "SignerSuspended"}),
        ("chain", "the signer is not valid", {"cause": "appraisal"}),
        ("chain", "the hub accepts no report", {}),
        ("node", "cannot register again", {}),
        ("operator", "updates the machine", {}),
        ("chain", "up to date under number 18", {"evaluation_number": 18}),
        ("consumer", "reads what the new enclave signed", {}),
    ],
    "revocation": [
        ("vendor", "revokes the machine's PCK certificate", {}),
        ("anyone", "brings the new list", {"documents": ["PCK CRL"]}),
        ("anyone", "has the verifier drop the machine", {}),
        (
            "chain",
            "takes the machine back from nobody",
            {"refusals": ["X509Crl_Revoked", "DcapVerifier_UnknownPck"]},
        ),
        ("node", "is refused the renewal", {}),
        ("governance", "revokes the signer", {"cause": "revocation", "hub_is_live": False}),
        ("chain", "the hub accepts no report", {}),
    ],
    "expiry": [
        ("chain", "ends with its collateral and the grace", {"cause": "collateral"}),
        ("consumer", "reads on within the grace", {}),
        ("anyone", "cannot suspend it either", {"refusal": "IntelCollateral_Expired"}),
        ("chain", "has ended, and is not destroyed", {"cause": "collateral"}),
        ("chain", "the hub accepts no report", {}),
        ("anyone", "re-checks the signer's old evidence", {}),
        ("chain", "the same signer is valid again, without a new key", {}),
        ("consumer", "reads what the same enclave signs", {}),
    ],
    "upgrade": [
        ("governance", "cannot approve it before the delay", {"refusal": "Governed_TooEarly"}),
        ("time", "2 d later", {"seconds": 172_800}),
        ("governance", "approves the new image", {"index": 2}),
        ("chain", "both signers share the operator's seat", {}),
        ("governance", "withdraws the old image", {"old_cause": "image withdrawal"}),
        ("consumer", "reads on without the old image", {}),
        ("chain", "no heartbeat was missed", {"heartbeat_s": 3_600}),
    ],
}


def test_each_scenario_has_a_name_and_is_expected() -> None:
    assert {name.value for name in ScenarioName} == SCENARIOS.keys() == EXPECTED.keys()


@pytest.mark.timeout(150)
@pytest.mark.parametrize("name", EXPECTED)
async def test_a_scenario_ends_as_it_must(name: str) -> None:
    status, stdout, stderr = await run("--scenario", name, "--output", "json")
    assert status == 0, stderr
    shown = json.loads(stdout)
    assert shown["ok"]
    assert shown["scenario"] == name
    assert "EMULATED" in shown["notice"]
    steps = iter(shown["steps"])
    for who, what, facts in EXPECTED[name]:
        step = next(each for each in steps if each["who"] == who and what in each["what"])
        assert step["is_right"]
        assert facts.items() <= step["facts"].items()
        assert step["what"] in stderr


async def test_a_signal_ends_a_scenario_and_leaves_nothing_behind(short_tmp: Path) -> None:
    with adopting_orphans() as before:
        async with running("--scenario", "expiry") as process:
            await line_with(process, "registers its enclave's signer")
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(10):
                _, stderr = await process.communicate()
        assert process.returncode == 130
        assert "Traceback" not in stderr.decode()
        assert left_behind(before) == []
    assert list(short_tmp.iterdir()) == []


async def _wrong(p: Play) -> None:
    p.check("chain", "there are no accounts", is_right=False, accounts=4)


async def _wrong_beside_a_node(p: Play) -> None:
    async with p.node():
        await p.wait(lambda: False, "nothing was found", limit_s=0.2)


@pytest.mark.parametrize(
    ("play", "said"),
    [
        (_wrong, "chain: not so: there are no accounts; seen {'accounts': 4}"),
        (_wrong_beside_a_node, "nothing was found within 0 s"),
    ],
)
async def test_what_is_not_as_it_must_be_fails_the_scenario(
    play: Callable[[Play], Awaitable[None]], said: str
) -> None:
    told: list[Step] = []
    options = ScenarioOptions(TeeKind.SGX, select(load_catalogue(), ["usdt-usd"]))
    with pytest.raises(ScenarioFailed, match=re.escape(said)):
        await perform(Scenario("", play), options, told.append)
    assert all(not step.is_right for step in told)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--rounds", "2"), "error: --scenario has one node, its own rounds and local sources"),
        (("--nodes", "3"), "error: --scenario has one node, its own rounds and local sources"),
        (("--live",), "error: --scenario has one node, its own rounds and local sources"),
        (("--tee", "both"), "error: --scenario has one node, its own rounds and local sources"),
        (("--anvil", "/nonexistent"), "error: anvil is not at /nonexistent: run scripts/setup"),
    ],
)
async def test_what_a_scenario_cannot_have_is_said(arguments: tuple[str, ...], line: str) -> None:
    status, _, stderr = await run("--scenario", "upgrade", *arguments)
    assert status == 2
    assert line in stderr
    assert "Traceback" not in stderr
