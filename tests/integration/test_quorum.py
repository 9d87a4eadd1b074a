"""Five operators' nodes on one chain, three must sign: what dies, what goes on, what comes back."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from enclave.domain.evidence import TeeKind
from oracle.chain.abi_codec import load_abi
from oracle.config import checksum_address
from oracle.devnet.anvil import Anvil
from oracle.devnet.price_sources import PriceSources
from oracle.devnet.reports import read_signers
from oracle.devnet.world import TlsSources, World, WorldOptions, world
from oracle.feeds.catalogue import Feed
from tests.integration.node_process import Running, nodes_of

NODES, QUORUM = 5, 3
#: How long feeds may stand still when leaders die, on a machine that is busy with other tests.
GOES_ON_S = 15.0
_WAIT_S = 30.0
_SETTINGS: dict[str, dict[str, Any]] = {
    "daemon": {"poll_s": 1.0},
    "feeds": {"catalogue": ["eth-usd"]},
    "log": {"level": "error"},
    "quorum": {"lead_s": 2.0, "takeover_s": 1.0, "timeout_s": 5.0},
}


@dataclass(frozen=True, slots=True)
class Landed:
    """A report that the hub took.

    Attributes:
        leader: Number of the node that sent it.
        seats: Numbers of the nodes that signed it.
        observed_at: Seconds since the epoch.
        transaction: Hash, 32 bytes.
    """

    leader: int
    seats: frozenset[int]
    observed_at: int
    transaction: bytes


class Hub:
    """The hub as anybody sees it."""

    def __init__(self, local: World) -> None:
        self._chain = local.chain
        self._hub = "0x" + local.deployment.contracts["FeedHub"].hex()
        self._numbers = {
            "0x" + node.operator.address.hex(): node.operator.number for node in local.nodes
        }

    async def reports(self) -> list[Landed]:
        """All reports so far."""
        wanted = {"address": self._hub, "fromBlock": "0x0"}
        logs = await self._chain.call("eth_getLogs", wanted)
        return [found for log in logs if (found := self._landed(log)) is not None]

    def _landed(self, log: dict[str, str]) -> Landed | None:
        topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
        name, fields = load_abi("FeedHub").decode_event(topics, bytes.fromhex(log["data"][2:]))
        if name != "ReportAccepted":
            return None
        mask = fields["mask"]
        return Landed(
            leader=self._numbers[fields["submitter"]],
            seats=frozenset(bit // 2 + 1 for bit in range(64) if mask >> bit & 1),
            observed_at=fields["observedAt"],
            transaction=bytes.fromhex(log["transactionHash"][2:]),
        )


async def until(what: str, check: Callable[[], Awaitable[bool]], within_s: float = _WAIT_S) -> None:
    """Wait for a condition."""
    try:
        async with asyncio.timeout(within_s):
            while not await check():
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"{what}: not within {within_s:g} s") from None


class Feeds:
    """What the feeds of a hub do over time."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._seen = 0

    async def skip(self) -> None:
        """Look only at what lands from now on."""
        self._seen = len(await self._hub.reports())

    async def go_on(self, count: int, among: set[int]) -> list[Landed]:
        """Wait for so many reports that these nodes made without the others."""

        async def is_enough() -> bool:
            found[:] = [
                report
                for report in (await self._hub.reports())[self._seen :]
                if report.seats <= among and report.leader in among
            ]
            return len(found) >= count

        found: list[Landed] = []
        await until(f"{count} reports of nodes {among}", is_enough)
        return found


# Five nodes begin at once, and other tests may want the machine, too.
@pytest.mark.timeout(150)
async def test_feeds_outlive_as_many_nodes_as_the_quorum_can_spare(
    sources: PriceSources, feeds: tuple[Feed, ...]
) -> None:
    options = WorldOptions(
        TeeKind.TDX,
        tuple(feed.canonical for feed in feeds),
        _SETTINGS,
        block_time_s=None,
        nodes=NODES,
        quorum=QUORUM,
        second_tee=TeeKind.SGX,
    )
    async with (
        world(options, TlsSources(sources.ca, sources.ports)) as local,
        nodes_of(local) as nodes,
    ):
        hub = Hub(local)
        first, second, third, *rest = await nodes.start(*local.nodes)
        await _several_lead(hub, local.chain)

        first.kill()
        second.kill()
        await _the_others_go_on(hub, {3, 4, 5})

        third.kill()
        await _stand_still_and_say_why(hub, rest, dead=(first, second, third))

        [back] = await nodes.start(first.node)
        await _come_back(hub, {1, 4, 5}, [back, *rest])


async def _several_lead(hub: Hub, chain: Anvil) -> None:
    """Rounds land, led by different nodes, each signed by exactly three enclaves."""

    async def several() -> bool:
        return len({report.leader for report in await hub.reports()}) >= 2

    await until("reports of two leaders", several)
    for report in await hub.reports():
        assert len(report.seats) == QUORUM
        assert len(set(await read_signers(chain, report.transaction))) == QUORUM


async def _the_others_go_on(hub: Hub, left: set[int]) -> None:
    """Two nodes are dead: three further reports, of the other three alone, in the time stated."""
    feeds = Feeds(hub)
    await feeds.skip()
    started = time.monotonic()
    found = await feeds.go_on(3, left)
    assert time.monotonic() - started < GOES_ON_S
    assert all(report.seats == left for report in found)


async def _stand_still_and_say_why(
    hub: Hub, left: list[Running], *, dead: tuple[Running, ...]
) -> None:
    """Three nodes are dead: nothing lands, and both others name the three in one line."""
    urls = [f"https://127.0.0.1:{node.node.operator.port}" for node in dead]
    operators = [checksum_address("0x" + node.node.operator.address.hex()) for node in dead]

    async def rounds() -> list[int]:
        return [(await node.ready())["rounds"] for node in left]

    for node in left:

        async def is_said() -> bool:
            reasons = (await node.ready())["reasons"]  # noqa: B023 awaited in this turn
            return any(_names(reason, operators, urls) for reason in reasons)

        await until(f"node {node.node.operator.number} names the dead", is_said)
    # What was signed before the third died has landed by now: each saw that it cannot go on.
    before, count = len(await hub.reports()), await rounds()

    async def several_rounds_later() -> bool:
        return all(now >= then + 3 for now, then in zip(await rounds(), count, strict=True))

    await until("three further rounds of both", several_rounds_later)
    assert len(await hub.reports()) == before


def _names(line: str, operators: list[str], urls: list[str]) -> bool:
    """Whether a line says how many observations there were of how many, and who is missing."""
    is_clear = line.startswith(f"2 of {QUORUM} ") and "\n" not in line
    return is_clear and all(
        f"{operator[:10]}… ({url}) refused the connection" in line
        for operator, url in zip(operators, urls, strict=True)
    )


async def _come_back(hub: Hub, among: set[int], running: list[Running]) -> None:
    """One node comes back with a new enclave: reports land again, and nobody complains."""
    feeds = Feeds(hub)
    await feeds.skip()
    found = await feeds.go_on(2, among)
    assert all(report.seats == among for report in found)

    async def nobody_complains() -> bool:
        return all([(await node.ready())["ready"] for node in running])

    await until("all three are ready", nobody_complains)
