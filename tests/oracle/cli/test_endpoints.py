"""What `oracle status` and `oracle doctor` say of the endpoints."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from enclave.domain.errors import ChainError
from oracle.cli.checks import _check_endpoints
from oracle.cli.findings import Verdict
from oracle.cli.status import _print_endpoint
from oracle.config import Config
from tests.fakes.rpc_nodes import FakeNode, pool

_ADDRESS = "0x" + "11" * 20
_CHAIN = SimpleNamespace(
    registry=_ADDRESS, signer_set=_ADDRESS, hub=_ADDRESS, verifier_id=1, block_s=12.0
)
_CONFIG = cast(Config, SimpleNamespace(chain=_CHAIN))


async def _findings(*nodes: FakeNode, **options: Any) -> dict[str, tuple[Verdict, str]]:
    found = await _check_endpoints(_CONFIG, pool(*nodes, **options))
    return {each.check: (each.verdict, each.seen) for each in found}


async def test_doctor_names_who_is_behind_and_who_contradicts() -> None:
    found = await _findings(FakeNode(head=104), FakeNode(), now=1_000_137.0)
    assert found["rpc 2"] == (Verdict.FAIL, "block 100 is behind the others'")
    assert found["rpc"] == (Verdict.OK, "endpoints 1 agree on block 104")
    found = await _findings(FakeNode(), FakeNode(fork="other"))
    assert found["rpc"][0] is Verdict.FAIL
    assert "contradict each other" in found["rpc"][1]


async def test_doctor_does_not_compare_one_endpoint_with_itself() -> None:
    assert "rpc" not in await _findings(FakeNode())
    found = await _findings(FakeNode(fails=ChainError("down")))
    assert found["rpc 1"][0] is Verdict.FAIL


def test_status_shows_each_endpoint(capsys: pytest.CaptureFixture[str]) -> None:
    view = {"number": 1, "health": "alive", "head": 7, "calls": 9, "errors": {}, "answer_s": 0.25}
    _print_endpoint(view)
    _print_endpoint(view | {"head": 0, "errors": {"busy": 2, "lie": 1}})
    assert capsys.readouterr().out.splitlines() == [
        "rpc 1 alive, block 7, 0.250 s, 9 calls, errors: none",
        "rpc 1 alive, block -, 0.250 s, 9 calls, errors: 2 busy, 1 lie",
    ]
