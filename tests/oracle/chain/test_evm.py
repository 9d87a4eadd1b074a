"""Typed reads and calls, against an endpoint with scripted answers; the real one is Anvil."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from eth_abi.abi import encode

from enclave.domain.errors import ChainError
from enclave.domain.report import Entry, encode_entries, keccak256
from oracle.chain.abi_codec import load_abi
from oracle.chain.base import (
    CallReverted,
    HubNews,
    Image,
    KeptMachine,
    Log,
    Receipt,
    Recheck,
    Registration,
    Seat,
    SeatedSigner,
    Seats,
)
from oracle.chain.evm import EvmChain
from oracle.chain.life import LifeCause
from oracle.chain.parsing import parse_block, parse_receipt
from oracle.chain.rpc import Rpc, RpcRefused
from oracle.config import checksum_address

REGISTRY, SIGNERS, HUB, VERIFIER, POLICY = (
    checksum_address("0x" + byte * 20) for byte in ("a1", "b2", "c3", "d4", "e5")
)
ZERO = "0x" + "00" * 20
WHO = checksum_address("0x" + "11" * 20)


@dataclass
class FakeRpc:
    """Answers `eth_call` by contract and function; an exception is raised."""

    answers: dict[tuple[str, str], Any] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)

    async def request_agreed(self, method: str, params: Sequence[Any]) -> Any:
        return await self.request(method, params)

    async def pin(self) -> Any:
        return await self.request("eth_blockNumber", [])

    async def request(self, method: str, params: Sequence[Any]) -> Any:
        if method != "eth_call":
            return self.answers[("", method)]
        address, data = params[0]["to"], bytes.fromhex(params[0]["data"][2:])
        abi = load_abi(
            {
                REGISTRY: "AttestationRegistry",
                SIGNERS: "SignerSet",
                HUB: "FeedHub",
                VERIFIER: "DcapVerifier",
                POLICY: "ImagePolicy",
            }[address]
        )
        name = next(n for n, item in abi.functions.items() if item.selector == data[:4])
        self.asked.append((address, name))
        self.blocks.append(params[1])
        answer = self.answers[(address, name)]
        if isinstance(answer, Exception):
            raise answer
        return "0x" + answer.hex()


def _chain(**answers: Any) -> tuple[EvmChain, FakeRpc]:
    rpc = FakeRpc()
    owners = {"registry": REGISTRY, "signers": SIGNERS, "hub": HUB, "verifier": VERIFIER}
    owners["policy"] = POLICY
    for key, answer in answers.items():
        owner, _, name = key.partition("_")
        rpc.answers[(owners[owner], name)] = answer
    rpc.answers.setdefault(("", "eth_blockNumber"), "0x7")
    return (
        EvmChain(cast(Rpc, rpc), registry=REGISTRY, signer_set=SIGNERS, hub=HUB, verifier_id=1),
        rpc,
    )


def _reverts(signature: str, *values: tuple[str, Any]) -> RpcRefused:
    kinds, given = [kind for kind, _ in values], [value for _, value in values]
    data = keccak256(signature.encode())[:4] + encode(kinds, given)
    return RpcRefused("eth_call: error 3: execution reverted", code=3, data=data)


async def test_rounds_are_of_one_block_and_leave_out_what_the_hub_does_not_serve() -> None:
    chain, rpc = _chain(hub_read=encode(["(int64,uint32,uint16,uint8,uint8)"], [(5, 4, 3, 2, 1)]))
    found = await chain.rounds([0, 1])
    assert found[0].answer == found[1].answer == 5
    assert rpc.blocks == ["0x7", "0x7"]
    for error in (
        _reverts("FeedHub_NeverWritten(uint16)", ("uint16", 0)),
        _reverts("FeedHub_FeedPaused(uint16,uint256)", ("uint16", 0), ("uint256", 9)),
        _reverts(
            "FeedHub_OutOfBounds(uint16,int64,int64,int64)",
            *(("uint16", 0), ("int64", 5), ("int64", 6), ("int64", 9)),
        ),
    ):
        rpc.answers[(HUB, "read")] = error
        assert await chain.rounds([0]) == {}


async def test_another_revert_of_a_read_is_raised_by_name() -> None:
    chain, _ = _chain(
        hub_read=_reverts("FeedHub_UnlistedFeed(uint256,uint256)", ("uint256", 9), ("uint256", 3))
    )
    with pytest.raises(CallReverted, match=r"read: FeedHub_UnlistedFeed\(seen 9, wanted 3\)"):
        await chain.rounds([9])


async def test_an_address_without_a_contract_says_so() -> None:
    chain, _ = _chain(hub_feedIds=b"")
    with pytest.raises(ChainError, match=f"feedIds: no contract at {HUB}; check the address"):
        await chain.feed_ids()


async def test_an_error_without_revert_data_is_passed_on() -> None:
    chain, _ = _chain(hub_feedIds=RpcRefused("limit", code=-32000, data=b""))
    with pytest.raises(RpcRefused, match="limit"):
        await chain.feed_ids()


async def test_the_hub_says_what_it_wants() -> None:
    chain, _ = _chain(
        hub_config=encode(["(uint8,uint8,uint8,uint32,uint32)"], [(3, 2, 4, 60, 5)]),
        hub_isLive=encode(["bool"], [True]),
    )
    hub = await chain.hub()
    assert (hub.signatures, hub.vendors, hub.max_age_s, hub.is_live) == (3, 2, 60, True)


OTHER, TABLE = checksum_address("0x" + "22" * 20), checksum_address("0x" + "77" * 20)


def _row(signer: str, expires_at: int, vendor: int, tier: int) -> bytes:
    kinds = bytes([vendor << 4 | tier])
    return bytes.fromhex(signer[2:]) + expires_at.to_bytes(5, "big") + kinds


def _seated_chain(*rows: bytes, table: str = TABLE) -> tuple[EvmChain, FakeRpc]:
    """Two seats, one with a signer in its first position, one in its second."""
    nobody = (ZERO, 0, 0, 0)
    entries = [(OTHER, 9_000, 1, 3), nobody, nobody, (WHO, 8_000, 2, 1), nobody, nobody]
    chain, rpc = _chain(
        hub_table=encode(["address"], [table]),
        signers_seats=encode(
            ["(address,address,address,uint8,uint64)[]"],
            [[(WHO, OTHER, ZERO, 0, 7), (OTHER, ZERO, WHO, 1, 7), (ZERO, ZERO, ZERO, 0, 0)]],
        ),
        signers_entries=encode(["(address,uint64,uint8,uint8)[]"], [entries]),
    )
    code = b"\x00" + b"".join(rows) + b"\xee" * 32
    rpc.answers[("", "eth_getCode")] = "0x" + code.hex()
    return chain, rpc


NOBODY = bytes(26)


async def test_the_seats_say_whose_signatures_the_hub_takes() -> None:
    first, second = _row(OTHER, 9_000, 1, 3), _row(WHO, 8_000, 2, 1)
    chain, _ = _seated_chain(first, NOBODY, NOBODY, second)
    seats = await chain.seats()
    assert seats.operators == (WHO, OTHER, None)
    assert seats.signers == (
        SeatedSigner(0, b"\x22" * 20, WHO, 9_000, 1, 3),
        SeatedSigner(3, b"\x11" * 20, OTHER, 8_000, 2, 1),
    )
    assert [one.seat for one in seats.signers] == [0, 1]


async def test_a_signer_that_the_hubs_table_does_not_hold_yet_does_not_count() -> None:
    first, second = _row(OTHER, 9_000, 1, 3), _row(WHO, 8_000, 2, 1)
    for rows in ((first,), (first, NOBODY, NOBODY, NOBODY), (first, NOBODY, second, NOBODY)):
        chain, _ = _seated_chain(*rows)
        assert [one.position for one in (await chain.seats()).signers] == [0]


async def test_what_the_table_says_of_a_signer_counts() -> None:
    chain, _ = _seated_chain(_row(OTHER, 7_000, 4, 2))
    assert (await chain.seats()).signers == (SeatedSigner(0, b"\x22" * 20, WHO, 7_000, 4, 2),)


async def test_before_the_first_table_nobody_counts() -> None:
    chain, _ = _seated_chain(_row(OTHER, 9_000, 1, 3), table=ZERO)
    assert (await chain.seats()).signers == ()


async def test_a_table_is_read_once_and_another_one_anew() -> None:
    chain, rpc = _seated_chain(_row(OTHER, 9_000, 1, 3))
    await chain.seats()
    rpc.answers[("", "eth_getCode")] = "0x"
    assert len((await chain.seats()).signers) == 1
    rpc.answers[(HUB, "table")] = encode(["address"], [WHO])
    assert (await chain.seats()).signers == ()


async def test_a_seat_that_came_between_two_answers_is_left_for_the_next_look() -> None:
    chain, rpc = _seated_chain(_row(OTHER, 9_000, 1, 3))
    rpc.answers[(SIGNERS, "seats")] = encode(["(address,address,address,uint8,uint64)[]"], [[]])
    assert await chain.seats() == Seats((), ())


def _signer_info(*, cause: int) -> bytes:
    info = (WHO, 3_000, 9_000, b"\x05" * 32, 2, 4, cause, False, True)
    return encode(["(address,uint64,uint64,bytes32,uint8,uint8,uint8,bool,bool)"], [info])


async def test_a_cause_that_this_version_does_not_know_is_refused() -> None:
    chain, _ = _chain(registry_signerInfo=_signer_info(cause=8))
    with pytest.raises(ChainError, match="the registry says cause 8, wanted 0 to 7"):
        await chain.signer(b"\x11" * 20)


async def test_what_the_registry_says_of_a_signer() -> None:
    chain, _ = _chain(registry_signerInfo=_signer_info(cause=3))
    status = await chain.signer(b"\x11" * 20)
    assert (status.operator, status.expires_at, status.tier) == (WHO, 9_000, 4)
    assert (status.registered_at, status.cause) == (3_000, LifeCause.COLLATERAL)
    assert status.is_valid
    assert not status.is_revoked


async def test_the_seat_of_an_operator() -> None:
    seats = [(WHO, ZERO, ZERO, 0, 0), (WHO, ZERO, WHO, 1, 7)]
    chain, _ = _chain(
        signers_seatOf=encode(["uint8"], [1]),
        signers_seats=encode(["(address,address,address,uint8,uint64)[]"], [seats]),
    )
    seat = await chain.seat(WHO)
    assert seat == Seat(1, (None, WHO), 1, 7)
    assert seat.position(WHO) == 3
    assert seat.position(ZERO) is None


async def test_a_rebuild_is_needed_unless_it_would_change_nothing() -> None:
    chain, rpc = _chain(hub_rebuild=encode(["address"], [WHO]))
    assert await chain.needs_rebuild()
    rpc.answers[(HUB, "rebuild")] = _reverts("FeedHub_NothingToRebuild()")
    assert not await chain.needs_rebuild()
    rpc.answers[(HUB, "rebuild")] = _reverts(
        "FeedHub_BadSignerSet(uint256,uint256)", ("uint256", 1), ("uint256", 2)
    )
    with pytest.raises(CallReverted, match="BadSignerSet"):
        await chain.needs_rebuild()


async def test_what_the_verifier_keeps_is_asked_of_the_registered_one() -> None:
    collateral = checksum_address("0x" + "99" * 20)
    chain, rpc = _chain(
        registry_verifierAt=encode(["address"], [VERIFIER]),
        verifier_pck=encode(["(uint40,uint16,uint160)"], [(9, 2, 5)]),
        verifier_collateral=encode(["address"], [collateral]),
    )
    assert await chain.machine(b"\x01" * 32) == KeptMachine(valid_until=9, epoch=2)
    assert (await chain.collateral()).address == collateral
    call = await chain.add_endorsements(b"endorsed")
    assert (call.purpose, call.target) == ("add_endorsements", VERIFIER)
    assert b"endorsed" in call.data
    assert rpc.asked.count((REGISTRY, "verifierAt")) == 1


async def test_a_verifier_that_is_not_registered_says_so() -> None:
    chain, _ = _chain(registry_verifierAt=encode(["address"], [ZERO]))
    with pytest.raises(ChainError, match="the registry has no verifier 1"):
        await chain.machine(b"\x01" * 32)


async def test_contracts_that_do_not_belong_together_are_named() -> None:
    chain, rpc = _chain(
        hub_signerSet=encode(["address"], [SIGNERS]),
        signers_registry=encode(["address"], [REGISTRY]),
        registry_verifierAt=encode(["address"], [VERIFIER]),
    )
    await chain.check_wiring()
    rpc.answers[(SIGNERS, "registry")] = encode(["address"], [WHO])
    with pytest.raises(ChainError, match=rf"registry\(\) is {WHO}, the configuration says"):
        await chain.check_wiring()


def _image(*, grace_s: int) -> bytes:
    kinds = "(uint16,uint8,bool,bool,bool,uint16,uint32,uint32,uint32,uint32,uint32)"
    return encode([kinds], [(1, 2, True, False, False, 2, 60, 17, grace_s, 0, 0)])


async def test_whether_an_image_is_approved() -> None:
    chain, _ = _chain(
        signers_imagePolicy=encode(["address"], [POLICY]),
        policy_image=_image(grace_s=70),
    )
    image = Image(max_age_s=60, is_live=True, min_number=17, recovery_grace_s=70, statuses=2)
    assert [status for status in range(10) if image.accepts(status)] == [1]
    assert await chain.image(b"\x05" * 32) == image


async def test_a_policy_to_which_newer_numbers_do_not_matter_has_no_grace() -> None:
    chain, _ = _chain(
        signers_imagePolicy=encode(["address"], [POLICY]), policy_image=_image(grace_s=2**32 - 1)
    )
    assert (await chain.image(b"\x05" * 32)).recovery_grace_s is None


async def test_positions_are_those_of_all_seats_taken_or_not() -> None:
    seats = [(WHO, ZERO, HUB, 1, 5), (ZERO, ZERO, ZERO, 0, 0), (WHO, POLICY, ZERO, 0, 5)]
    chain, _ = _chain(signers_seats=encode(["(address,address,address,uint8,uint64)[]"], [seats]))
    assert await chain.positions() == {HUB: 1, POLICY: 4}


def test_calls_name_their_purpose_target_and_function() -> None:
    chain, _ = _chain()
    registration = Registration(
        b"\x11" * 20, WHO, b"\x22" * 32, 5, b"evidence", b"hints", b"endorsed", b"\x33" * 64
    )
    recheck = Recheck(1, b"\x11" * 20, b"\x22" * 32, b"\x44" * 32, b"evidence", b"hints", b"")
    calls = {
        "register": (chain.register(registration), REGISTRY),
        "recheck": (chain.recheck(recheck), REGISTRY),
        "revoke": (chain.revoke(b"\x11" * 20), REGISTRY),
        "take": (chain.take(3, b"\x11" * 20), SIGNERS),
        "rebuild": (chain.rebuild(), HUB),
        "submit": (chain.submit(b"report"), HUB),
    }
    for name, (call, target) in calls.items():
        assert (call.purpose, call.target) == (name, target)
    signature = "register((uint16,address,address,bytes,uint64,bytes,bytes,bytes,bytes))"
    assert calls["register"][0].data[:4] == keccak256(signature.encode())[:4]
    signature = "recheck((uint16,address,bytes32,bytes32,bytes,bytes,bytes))"
    assert calls["recheck"][0].data[:4] == keccak256(signature.encode())[:4]


def _hub_log(name: str, topics: Sequence[int], data: bytes) -> Log:
    abi = load_abi("FeedHub")
    topic = next(hash_ for hash_, item in abi.events.items() if item.name == name)
    words = tuple(value.to_bytes(32, "big") for value in topics)
    return Log(HUB.lower(), (topic, *words), data)


def test_what_landed_is_the_reports_entries_without_the_skipped() -> None:
    chain, _ = _chain()
    entries = encode_entries([Entry(index, 100, 1, 3) for index in (2, 5, 300)])
    logs = (
        Log(WHO.lower(), (bytes(32),), b"another contract"),
        _hub_log("FeedSkipped", [5], encode(["uint8"], [4])),
        _hub_log("ReportAccepted", [9], encode(["address", "uint64", "bytes"], [WHO, 1, entries])),
    )
    receipt = Receipt(b"\x01" * 32, 1, True, 1, 1, logs)
    assert chain.landed(receipt) == [2, 300]


BLOCK = {
    "number": "0x5",
    "hash": "0x" + "11" * 32,
    "parentHash": "0x" + "22" * 32,
    "timestamp": "0x10",
    "baseFeePerGas": "0x7",
}
RECEIPT = {
    "transactionHash": "0x" + "11" * 32,
    "blockNumber": "0x5",
    "blockHash": "0x" + "22" * 32,
    "status": "0x1",
    "gasUsed": "0x10",
    "effectiveGasPrice": "0x7",
    "logs": [{"address": WHO, "topics": ["0x" + "33" * 32], "data": "0x00"}],
}


def test_a_block_and_a_receipt_are_read() -> None:
    assert parse_block(BLOCK).base_fee_wei == 7
    assert parse_block({**BLOCK, "baseFeePerGas": None}).base_fee_wei is None
    receipt = parse_receipt(RECEIPT)
    assert receipt.is_success
    assert receipt.logs[0].data == b"\x00"
    assert receipt.block_hash == b"\x22" * 32
    assert not parse_receipt({**RECEIPT, "status": "0x0"}).is_success


@pytest.mark.parametrize("name", sorted(BLOCK.keys() - {"baseFeePerGas"}))
def test_a_block_without_a_field_is_refused(name: str) -> None:
    with pytest.raises(ChainError):
        parse_block({key: value for key, value in BLOCK.items() if key != name})


@pytest.mark.parametrize("name", sorted(RECEIPT))
def test_a_receipt_without_a_field_is_refused(name: str) -> None:
    with pytest.raises(ChainError):
        parse_receipt({key: value for key, value in RECEIPT.items() if key != name})


@pytest.mark.parametrize("value", [None, [], {"logs": [1]}, {**RECEIPT, "logs": [1]}])
def test_something_else_is_refused(value: Any) -> None:
    with pytest.raises(ChainError):
        parse_receipt(value)
    with pytest.raises(ChainError):
        parse_block(None)


def _log(name: str, *topics: bytes, data: bytes = b"") -> dict[str, Any]:
    abi = load_abi("FeedHub")
    digest = next(digest for digest, item in abi.events.items() if item.name == name)
    return {
        "address": HUB,
        "topics": ["0x" + topic.hex() for topic in (digest, *topics)],
        "data": "0x" + data.hex(),
    }


def _accepted(*indexes: int) -> dict[str, Any]:
    entries = encode_entries([Entry(index, 5, 4, 3) for index in indexes])
    data = encode(["address", "uint64", "bytes"], [WHO, 1, entries])
    return _log("ReportAccepted", bytes(31) + b"\x09", data=data)


async def _news(*logs: dict[str, Any], block: int = 7, latest: int = 9) -> HubNews:
    chain, rpc = _chain()
    rpc.answers[("", "eth_blockNumber")] = hex(latest)
    rpc.answers[("", "eth_getLogs")] = list(logs)
    return await chain.news(block)


async def test_news_name_the_feeds_that_were_reported() -> None:
    skipped = _log("FeedSkipped", bytes(31) + b"\x02", data=encode(["uint8"], [2]))
    news = await _news(_accepted(0, 2), skipped, _accepted(5))
    assert news == HubNews(9, frozenset({0, 2, 5}), has_more=False)
    assert await _news() == HubNews(9, frozenset(), has_more=False)


async def test_any_other_event_of_the_hub_has_everything_asked_again() -> None:
    cleared = _log("TableCleared", data=encode(["address"], [WHO]))
    unknown = {"address": HUB, "topics": ["0x" + "77" * 32], "data": "0x"}
    for log in (cleared, unknown):
        assert (await _news(_accepted(1), log)).has_more


async def test_an_endpoint_that_is_behind_has_no_news() -> None:
    assert await _news(_accepted(1), latest=7) == HubNews(7, frozenset(), has_more=False)
    assert await _news(_accepted(1), latest=6) == HubNews(7, frozenset(), has_more=False)


async def test_what_lies_too_far_back_is_not_asked_for_by_events() -> None:
    assert await _news(_accepted(1), latest=108) == HubNews(108, frozenset(), has_more=True)


async def test_logs_that_are_none_are_an_error_of_the_endpoint() -> None:
    chain, rpc = _chain()
    rpc.answers[("", "eth_blockNumber")] = hex(9)
    rpc.answers[("", "eth_getLogs")] = None
    with pytest.raises(ChainError, match="logs are none"):
        await chain.news(7)


async def test_head_and_balance_are_plain_questions() -> None:
    chain, rpc = _chain()
    rpc.answers[("", "eth_getBlockByNumber")] = BLOCK
    rpc.answers[("", "eth_getBalance")] = "0x9"
    assert (await chain.head()).number == 5
    assert await chain.balance(WHO) == 9
