"""Histories of signers: what is folded, in which portions it is asked for, what is refused."""

import re
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode

from enclave.domain.errors import ChainError
from enclave.domain.report import keccak256
from oracle.chain.life import LifeCause
from oracle.chain.reading import MAX_BLOCKS
from oracle.chain.rpc import RpcRefused
from oracle.chain.signers import (
    SignerHistory,
    SignerState,
    read_histories,
    signer_state,
)
from oracle.config import checksum_address
from tests.fakes.fake_chain import signer_status
from tests.fakes.registry_events import OPERATOR, REGISTRY, FakeEvents, equivocated, registered

ROOT = Path(__file__).parents[3]
ONE, TWO = (checksum_address("0x" + byte * 20) for byte in ("11", "22"))


async def _read(rpc: FakeEvents, **options: Any) -> dict[str, SignerHistory]:
    values = {"from_block": 0, "to_block": 100} | options
    return dict(await read_histories(rpc, REGISTRY, **values))


async def test_a_signer_has_its_first_block_its_latest_evidence_and_its_renewals() -> None:
    rpc = FakeEvents()
    rpc.add(5, "SignerRegistered", registered(ONE, expires_at=50, evidence=b"old"))
    rpc.add(6, "SignerRegistered", registered(TWO))
    rpc.add(7, "SignerRegistered", registered(ONE, expires_at=70, evidence=b"new"))
    found = await _read(rpc)
    assert list(found) == [ONE, TWO]
    history = found[ONE]
    assert (history.first_block, history.renewals, history.revoked) == (5, 1, None)
    event = history.latest
    assert (event.block, event.transaction) == (7, (7).to_bytes(32, "big"))
    assert (event.evidence, event.expires_at, event.operator) == (b"new", 70, OPERATOR)
    assert (event.tee, event.tier, event.hardware_id) == (2, 4, b"\x06" * 32)
    assert found[TWO].renewals == 0


async def test_a_revocation_names_its_sender_and_a_conviction_its_feed() -> None:
    rpc = FakeEvents()
    for signer in (ONE, TWO):
        rpc.add(5, "SignerRegistered", registered(signer))
    rpc.add(6, "SignerRevoked", {"signer": ONE, "by": OPERATOR})
    rpc.add(7, "SignerEquivocated", equivocated(TWO))
    rpc.add(7, "SignerRevoked", {"signer": TWO, "by": ONE})
    found = await _read(rpc)
    revoked, convicted = found[ONE].revoked, found[TWO].equivocated
    assert revoked is not None
    assert (revoked.by, revoked.block) == (OPERATOR, 6)
    assert found[ONE].equivocated is None
    assert convicted is not None
    assert (convicted.index, convicted.first) == (3, b"\x01" * 14)
    assert found[TWO].revoked is not None


async def test_only_one_signer_is_asked_for_where_only_one_is_wanted() -> None:
    rpc = FakeEvents()
    for signer in (ONE, TWO):
        rpc.add(5, "SignerRegistered", registered(signer))
    assert list(await _read(rpc, signer=TWO)) == [TWO]


async def test_an_end_without_its_beginning_is_left_out() -> None:
    rpc = FakeEvents()
    rpc.add(5, "SignerRegistered", registered(ONE))
    rpc.add(6, "SignerRevoked", {"signer": ONE, "by": OPERATOR})
    assert await _read(rpc, from_block=6) == {}


async def test_blocks_are_asked_for_in_bounded_portions_without_gap_or_overlap() -> None:
    rpc, told = FakeEvents(), list[tuple[int, int]]()
    rpc.add(3, "SignerRegistered", registered(ONE))
    last = 2 * MAX_BLOCKS + 5
    await _read(rpc, from_block=3, to_block=last, progress=lambda *seen: told.append(seen))
    assert rpc.spans == [
        (3, MAX_BLOCKS + 2),
        (MAX_BLOCKS + 3, 2 * MAX_BLOCKS + 2),
        (2 * MAX_BLOCKS + 3, last),
    ]
    assert told == [(span[1], 1) for span in rpc.spans]


async def test_an_endpoint_that_gives_fewer_blocks_is_asked_for_fewer() -> None:
    rpc = FakeEvents(most_blocks=30)
    for block in (0, 25, 26, 50, 99, 100):
        rpc.add(block, "SignerRegistered", registered(checksum_address(f"0x{block + 1:040x}")))
    assert len(await _read(rpc)) == 6
    assert rpc.spans[0][0] == 0
    assert rpc.spans[-1][1] == 100
    for one, other in zip(rpc.spans, rpc.spans[1:], strict=False):
        assert other[0] == one[1] + 1


async def test_an_endpoint_that_gives_no_events_at_all_says_why() -> None:
    with pytest.raises(RpcRefused, match="too many blocks"):
        await _read(FakeEvents(most_blocks=0))


@pytest.mark.parametrize("answer", ["0x", {}, [{}], [{"topics": []}]])
async def test_answers_that_are_no_events_are_refused(answer: Any) -> None:
    with pytest.raises(ChainError):
        await _read(FakeEvents(answer=answer))


async def test_events_of_another_contract_are_refused() -> None:
    rpc = FakeEvents()
    rpc.add(5, "SignerRegistered", registered(ONE), address=OPERATOR)
    with pytest.raises(ChainError, match=f"log is of {OPERATOR.lower()}, wanted {REGISTRY}"):
        await _read(rpc)


async def test_a_suspension_says_who_and_why_until_it_is_over() -> None:
    rpc = FakeEvents()
    rpc.add(5, "SignerRegistered", registered(ONE))
    refusal = keccak256(b"ImagePolicy_StatusNotAccepted(uint8,uint16)")[:4]
    refusal += encode(["uint8", "uint16"], [5, 2])
    rpc.add(6, "SignerSuspended", {"signer": ONE, "by": OPERATOR, "refusal": refusal})
    event = (await _read(rpc))[ONE].suspended
    assert event is not None
    assert (event.by, event.block, event.transaction) == (OPERATOR, 6, (6).to_bytes(32, "big"))
    assert event.refusal.startswith("ImagePolicy_StatusNotAccepted(seen 5, ")
    rpc.add(7, "SignerRegistered", registered(ONE))
    assert (await _read(rpc))[ONE].suspended is None


async def test_a_recheck_that_is_accepted_has_the_last_word_on_the_platform() -> None:
    rpc = FakeEvents()
    rpc.add(5, "SignerRegistered", registered(ONE))
    history = (await _read(rpc))[ONE]
    assert (history.tcb_status, history.evaluation_number) == (1, 17)
    rpc.add(6, "SignerSuspended", {"signer": ONE, "by": OPERATOR, "refusal": b""})
    fields = {"signer": ONE, "by": OPERATOR, "expiresAt": 64, "cause": 3}
    rpc.add(7, "SignerExtended", fields | {"tcbStatus": 2, "evaluationNumber": 18})
    history = (await _read(rpc))[ONE]
    assert (history.tcb_status, history.evaluation_number, history.suspended) == (2, 18, None)


@pytest.mark.parametrize(
    ("is_valid", "cause", "state"),
    [
        (True, LifeCause.AGE, SignerState.VALID),
        (False, LifeCause.AGE, SignerState.EXPIRED),
        (False, LifeCause.CERTIFICATE, SignerState.EXPIRED),
        (False, LifeCause.COLLATERAL, SignerState.EXPIRED),
        (False, LifeCause.RECOVERY, SignerState.EXPIRED),
        (False, LifeCause.APPRAISAL, SignerState.SUSPENDED),
        (False, LifeCause.WITHDRAWN, SignerState.IMAGE_WITHDRAWN),
        (False, LifeCause.REVOKED, SignerState.REVOKED),
    ],
)
def test_what_ended_a_signer_is_its_state(
    is_valid: bool, cause: LifeCause, state: SignerState
) -> None:
    assert signer_state(signer_status(is_valid=is_valid, cause=cause)) is state


def test_causes_have_the_contracts_numbers() -> None:
    source = (ROOT / "contracts/src/types/LifeCause.sol").read_text()
    numbers = re.findall(r"uint8 internal constant (\w+) = (\d+);", source)
    assert {cause.name: cause.value for cause in LifeCause} == {n: int(v) for n, v in numbers}
    assert len({cause.words for cause in LifeCause}) == len(LifeCause)
