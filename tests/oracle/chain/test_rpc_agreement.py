"""What several endpoints agree on, and that nothing is known where they contradict each other."""

from typing import Any

import pytest

from enclave.domain.errors import ChainError
from oracle.chain.rpc import (
    Health,
    Rpc,
    RpcDisagreement,
    RpcRefused,
    RpcUnreachable,
)
from tests.fakes.rpc_nodes import FakeNode, block, pool

HASH = "0x" + "ab" * 32
DEAD = RpcUnreachable("no answer within 3 s")
PINNED = {"blockHash": block(100)["hash"]}
COUNT = "eth_getTransactionCount"
RECEIPT = "eth_getTransactionReceipt"


def _nodes(method: str, *answers: Any) -> list[FakeNode]:
    return [FakeNode(answers={method: answer}) for answer in answers]


def _revert(data: bytes = b"\x01") -> RpcRefused:
    return RpcRefused("eth_call: error 3: reverted", code=3, data=data)


def receipt(number: int = 100, **fields: Any) -> dict[str, Any]:
    log = {"address": "0xAA", "topics": [HASH], "data": "0x", "logIndex": "0x0", "removed": False}
    made = {
        "transactionHash": HASH,
        "blockHash": block(number)["hash"],
        "blockNumber": hex(number),
        "status": "0x1",
        "gasUsed": "0x5208",
        "logs": [log],
    }
    return made | fields


def _health(rpc: Rpc) -> list[Health]:
    return [each.health for each in rpc.endpoints]


async def test_all_are_asked_about_one_block_that_all_have() -> None:
    nodes = _nodes("eth_call", "0xaa", "0xAA", "0xaa")
    nodes[1].head = 102
    assert await pool(*nodes).request_agreed("eth_call", [{"to": "0x1"}, "latest"]) == "0xaa"
    assert [node.params["eth_call"] for node in nodes] == [[{"to": "0x1"}, PINNED]] * 3


@pytest.mark.parametrize(
    "answers", [("0xaa", "0xbb"), ("0xaa", "0xbb", "0xbb"), ("0xaa", _revert())]
)
async def test_where_two_differ_nothing_is_known_and_a_majority_does_not_decide(
    answers: tuple[Any, ...],
) -> None:
    rpc = pool(*_nodes("eth_call", *answers))
    with pytest.raises(RpcDisagreement, match="contradict each other about eth_call") as caught:
        await rpc.request_agreed("eth_call", [{}, "latest"])
    assert caught.value.answers == dict(enumerate(answers, 1))
    assert set(_health(rpc)) == {Health.ALIVE}


async def test_who_is_silent_has_no_say() -> None:
    silent = [DEAD, RpcRefused("header not found", code=-32_000, data=b""), None, "0xz", 5]
    rpc = pool(*_nodes("eth_call", *silent, "0xaa"))
    assert await rpc.request_agreed("eth_call", [{}, "latest"]) == "0xaa"
    unwell = [Health.UNREACHABLE]
    assert _health(rpc) == [*unwell, Health.ALIVE, *unwell * 3, Health.ALIVE]
    with pytest.raises(ChainError, match=r"eth_call: endpoint 1: no answer .*; endpoint 2: header"):
        await pool(*_nodes("eth_call", *silent[:2])).request_agreed("eth_call", [{}, "latest"])


async def test_a_revert_is_an_answer() -> None:
    with pytest.raises(RpcRefused, match="reverted") as caught:
        await pool(*_nodes("eth_call", _revert(), _revert())).request_agreed("eth_call", [{}])
    assert caught.value.data == b"\x01"
    with pytest.raises(RpcDisagreement):
        await pool(*_nodes("eth_call", _revert(), _revert(b"\x02"))).request_agreed("eth_call", [])


async def test_who_lags_or_rests_has_no_say_and_without_anyone_nothing_is_known() -> None:
    nodes = _nodes("eth_call", "0xaa", "0xbb")
    nodes[0].head = 90
    rpc = pool(*nodes, now=1_000_137.0)
    assert await rpc.request_agreed("eth_call", [{}, "latest"]) == "0xbb"
    assert _health(rpc) == [Health.LAGGING, Health.ALIVE]
    nodes[0].fails = nodes[1].fails = DEAD
    with pytest.raises(ChainError, match="no endpoint is alive: endpoint 1 of 2: unreachable; "):
        await rpc.request_agreed(COUNT, ["0x1", "latest"])


async def test_who_invents_a_far_head_while_others_are_away_silences_nobody() -> None:
    nodes = _nodes("eth_call", "0xbb", "0xbb", "0xaa")
    nodes[0].head = nodes[1].head = 1_000
    nodes[2].fails = DEAD
    rpc = pool(*nodes)
    assert (await rpc.agreed_block()).head.number == 1_000
    # The honest one is back, at the same chain's head; liars never alter a block that it has.
    nodes[2].fails, rpc.endpoints[2].rests_until = None, 0.0
    assert (await rpc.agreed_block()).head.number == 100
    with pytest.raises(RpcDisagreement, match="eth_call"):
        await rpc.request_agreed("eth_call", [{}, "latest"])
    assert rpc.endpoints[2].health is Health.ALIVE


async def test_at_the_tip_endpoints_may_differ_for_a_moment() -> None:
    async def forked(params: Any) -> Any:
        number = 100 if params[0] == "latest" else int(params[0], 16)
        return block(number, "fork" if number > 98 else "")

    other = FakeNode(answers={"eth_getBlockByNumber": forked})
    rpc = pool(FakeNode(), other)
    assert (await rpc.agreed_block()).head.number == 98
    assert await rpc.pin() == {"blockHash": block(98)["hash"]}
    with pytest.raises(RpcDisagreement, match="block 100"):
        await pool(FakeNode(), FakeNode(fork="fork")).agreed_block()
    with pytest.raises(RpcDisagreement, match="block 2"):
        await pool(FakeNode(head=2), FakeNode(head=2, fork="fork")).agreed_block()


@pytest.mark.parametrize("field", ["timestamp", "baseFeePerGas", "stateRoot", "parentHash"])
async def test_fields_that_their_hash_does_not_prove_must_be_the_same(field: str) -> None:
    async def changed(params: Any) -> Any:
        number = 100 if params[0] == "latest" else int(params[0], 16)
        return block(number) | {field: "0x" + "77" * 32}

    rpc = pool(FakeNode(), FakeNode(answers={"eth_getBlockByNumber": changed}))
    with pytest.raises(RpcDisagreement, match="the fields of block"):
        await rpc.request_agreed("eth_getBlockByNumber", ["latest", False])


async def test_reads_of_one_endpoint_are_of_the_block_that_it_tells() -> None:
    assert await pool(*_nodes("eth_blockNumber", "0x64")).pin() == "0x64"


async def test_a_far_head_is_not_believed_and_its_endpoint_not_asked() -> None:
    far = FakeNode(answers={"eth_getBlockByNumber": block(100) | {"number": "0xfffff"}})
    rpc = pool(far, FakeNode(), now=2_000_000.0)
    assert await rpc.request_agreed("eth_blockNumber", []) == hex(100)
    assert _health(rpc) == [Health.UNREACHABLE, Health.ALIVE]


async def test_blocks_are_asked_for_by_height() -> None:
    rpc = pool(FakeNode(), FakeNode(head=102))
    assert (await rpc.request_agreed("eth_getBlockByNumber", ["latest", False])) == block(100)
    assert (await rpc.request_agreed("eth_getBlockByNumber", ["0x63", False])) == block(99)
    assert (await rpc.request_agreed("eth_getBlockByNumber", ["0x65", False])) is None


async def test_a_receipt_counts_when_nobody_denies_it() -> None:
    same = receipt(logs=[receipt()["logs"][0] | {"address": "0xaa"}], effectiveGasPrice="0x1")
    assert (
        await pool(*_nodes(RECEIPT, receipt(), same)).request_agreed(RECEIPT, [HASH]) == receipt()
    )
    assert await pool(*_nodes(RECEIPT, None, None)).request_agreed(RECEIPT, [HASH]) is None
    changes: list[Any] = [
        None,
        receipt(status="0x0"),
        receipt(gasUsed="0x1"),
        receipt(99),
        receipt(blockHash=HASH),
        receipt(logs=[]),
    ]
    for other in changes:
        with pytest.raises(RpcDisagreement, match="eth_getTransactionReceipt"):
            await pool(*_nodes(RECEIPT, receipt(), other)).request_agreed(RECEIPT, [HASH])


async def test_a_receipt_of_a_block_that_not_all_have_is_none_yet() -> None:
    nodes = _nodes(RECEIPT, receipt(101), None)
    nodes[0].head = 101
    assert await pool(*nodes).request_agreed(RECEIPT, [HASH]) is None


@pytest.mark.parametrize(
    "value",
    [
        "0x1",
        {},
        receipt(transactionHash="0x" + "cd" * 32),
        receipt(logs=None),
        receipt(logs=["0x"]),
        receipt(blockNumber=None),
        receipt(status=1),
    ],
)
async def test_what_is_no_receipt_of_the_transaction_is_no_answer(value: Any) -> None:
    rpc = pool(*_nodes(RECEIPT, value, receipt()))
    assert await rpc.request_agreed(RECEIPT, [HASH]) == receipt()
    assert _health(rpc)[0] is Health.UNREACHABLE


async def test_the_highest_limit_of_gas_is_taken_and_a_refusal_only_if_all_refuse() -> None:
    method = "eth_estimateGas"
    rpc = pool(*_nodes(method, "0x5", _revert(), "0x9"))
    assert await rpc.request_agreed(method, [{}, "pending"]) == "0x9"
    with pytest.raises(RpcRefused, match="reverted"):
        await pool(*_nodes(method, _revert(), _revert())).request_agreed(method, [{}, "pending"])


@pytest.mark.parametrize(
    "proof", [None, {}, {"accountProof": []}, {"accountProof": ["0x80"]}, DEAD]
)
async def test_without_a_proof_a_nonce_that_is_denied_is_not_known(proof: Any) -> None:
    nodes = _nodes(COUNT, "0x5", "0x6")
    for node in nodes:
        node.answers["eth_getProof"] = proof
    with pytest.raises(RpcDisagreement, match=COUNT):
        await pool(*nodes).request_agreed(COUNT, ["0x" + "11" * 20, "latest"])
    assert await pool(*_nodes(COUNT, "0x05", "0x5")).request_agreed(COUNT, ["0x1"]) == "0x05"


async def test_calls_share_one_look_but_nonces_and_receipts_are_of_the_latest_block() -> None:
    nodes = _nodes("eth_call", "0xaa", "0xaa")
    rpc = pool(*nodes)
    for _ in range(3):
        await rpc.request_agreed("eth_call", [{}, "latest"])
    looks = nodes[0].asked.count("eth_getBlockByNumber")
    assert looks == 1
    await rpc.request_agreed(RECEIPT, [HASH])
    assert nodes[0].asked.count("eth_getBlockByNumber") == 2


async def test_an_endpoint_that_has_not_the_block_below_its_head_is_no_witness() -> None:
    async def hollow(params: Any) -> Any:
        return block(105) if params[0] == "latest" else None

    rpc = pool(FakeNode(answers={"eth_getBlockByNumber": hollow}), FakeNode())
    assert (await rpc.agreed_block()).head.number == 100
    assert _health(rpc) == [Health.UNREACHABLE, Health.ALIVE]
    rpc = pool(*(FakeNode(answers={"eth_getBlockByNumber": hollow}) for _ in range(2)))
    with pytest.raises(ChainError, match="eth_getBlockByNumber: endpoint 1: None"):
        await rpc.request_agreed("eth_getBlockByNumber", ["0x63", False])
