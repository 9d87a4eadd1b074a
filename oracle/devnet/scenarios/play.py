"""What a scenario is played with: a world, one node, everybody's part, and steps that are told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from oracle.config import Config
from oracle.daemon import Daemon, Event, ReportLanded, ReportRefused, SignerReady, every_answer
from oracle.daemon.tasks import leading_error
from oracle.devnet.account import Account
from oracle.devnet.anyone import Anyone
from oracle.devnet.clock import WorldClock
from oracle.devnet.deploy import read_price
from oracle.devnet.price_sources import PriceSources
from oracle.devnet.world import World
from oracle.feeds.catalogue import Feed

_LIMIT_S: Final = 45.0
_LOOK_S: Final = 0.1
#: How long nothing must land until reports count as stopped: several rounds and blocks.
_SILENCE_S: Final = 4.0


class ScenarioFailed(Exception):
    """The world did not do what it must."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened, or that somebody saw.

    Attributes:
        who: `vendor`, `chain`, `anyone`, `operator`, `governance`, `node`, `consumer` or `time`.
        what: One sentence.
        facts: Values that it rests on.
        is_right: Whether it is as it must be.
    """

    who: str
    what: str
    facts: Mapping[str, Any]
    is_right: bool


class Play:
    """One world and what happens in it.

    Attributes:
        world: Without nodes.
        feeds: That are served.
        clock: Sets it forward.
        anyone: Acts without any role.
        governance: Pays for governance, which has all roles here.
    """

    def __init__(
        self,
        world: World,
        sources: PriceSources,
        feeds: Sequence[Feed],
        *,
        accounts: Sequence[str],
        tell: Callable[[Step], None],
    ) -> None:
        """Set up; no node runs.

        Args:
            world: Without nodes.
            sources: Local price sources.
            feeds: To serve.
            accounts: Unlocked ones of the chain; the first has deployed.
            tell: Told each step.
        """
        self.world = world
        self.clock = WorldClock(world.chain, world.silicon, sources)
        self.governance = Account(world.chain, accounts[0])
        account = Account(world.chain, accounts[1])
        self.anyone = Anyone(account, world.chain, world.deployment, world.silicon)
        self.feeds = feeds
        self._tell = tell
        self._events: list[Event] = []
        self._daemon: Daemon | None = None

    def tell(self, who: str, what: str, **facts: Any) -> None:
        """Something happened."""
        self._tell(Step(who, what, facts, is_right=True))

    def check(self, who: str, what: str, is_right: bool, **facts: Any) -> None:
        """Somebody saw something.

        Raises:
            ScenarioFailed: It is not as it must be.
        """
        self._tell(Step(who, what, facts, is_right))
        if not is_right:
            raise ScenarioFailed(f"{who}: not so: {what}; seen {dict(facts)}")

    async def vendor(self, event: str, **arguments: Any) -> dict[str, Any]:
        """Let something happen to the vendor; see `silicon/control.py`."""
        return await self.world.silicon.control(event, **arguments)

    async def pass_time(self, seconds: int, why: str) -> None:
        """Set the world forward."""
        await self.clock.advance(seconds)
        self.tell("time", f"{_span(seconds)} later: {why}", seconds=seconds)

    @asynccontextmanager
    async def node(self, config: Config | None = None) -> AsyncIterator[Daemon]:
        """Run the node for the length of the block.

        Args:
            config: Instead of the world's.
        """
        self._events.clear()
        daemon = Daemon(
            [config or self.world.config],
            self.feeds,
            resolve=self.world.resolve,
            schedule=every_answer,
            observer=self._events.append,
        )
        self._daemon = daemon
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(daemon.run())
                yield daemon
                daemon.stop()
        except BaseExceptionGroup as group:
            raise leading_error(group) from group
        finally:
            self._daemon = None

    async def ready(self, what: str) -> str:
        """Wait until the chain takes the signer of the node's enclave; its address."""
        signer = str(await self.wait(self._ready_signer, "the chain takes no signer of the node"))
        event = await self.anyone.registration(signer)
        self.check(
            "node",
            what,
            is_right=True,
            signer=signer,
            tcb_status=event["tcbStatus"],
            evaluation_number=event["evaluationNumber"],
        )
        return signer

    def _ready_signer(self) -> str:
        found = [event for event in self._events if isinstance(event, SignerReady)]
        return found[-1].address if found else ""

    async def wait(self, found: Callable[[], Any], lack: str, *, limit_s: float = _LIMIT_S) -> Any:
        """Wait until something is found; returns it.

        Raises:
            ScenarioFailed: It is not, in time; says what the node's problems are.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit_s
        while not (result := found()):
            if loop.time() > deadline:
                raise ScenarioFailed(f"{lack} within {limit_s:.0f} s; {self._problems()}")
            await asyncio.sleep(_LOOK_S)
        return result

    async def reports_land(self, what: str, *, count: int = 2) -> tuple[ReportLanded, ...]:
        """Wait for reports; a consumer must read exactly what each of them says."""
        begin = len(self._events)
        landed = await self.wait(lambda: self._landed(begin, count), "no report landed")
        equal = [await self._is_read(event) for event in landed]
        self.check(
            "consumer",
            what,
            is_right=all(equal),
            reports=len(landed),
            observed_at=[event.report.observed_at for event in landed],
        )
        return tuple(landed)

    def _landed(self, begin: int, count: int) -> list[ReportLanded]:
        landed = [event for event in self._events[begin:] if isinstance(event, ReportLanded)]
        return landed[:count] if len(landed) >= count else []

    async def _is_read(self, event: ReportLanded) -> bool:
        """Whether the consumers of all feeds read what a report brought, right after it.

        A facade says no time that is ahead of its block, which a local chain's may be behind by a
        second.
        """
        block = await self.world.chain.call("eth_getBlockByNumber", hex(event.receipt.block), False)
        observed_at = min(event.report.observed_at, int(block["timestamp"], 16))
        for entry in event.report.entries:
            feed = self.world.deployment.feeds[entry.index]
            seen = await read_price(self.world.chain, feed.consumer, block=event.receipt.block)
            if seen != (entry.value, feed.decimals, observed_at):
                return False
        return True

    async def reports_stop(self, what: str) -> None:
        """Wait, and look whether the hub accepts anything."""
        before = len(await self.anyone.reports())
        await asyncio.sleep(_SILENCE_S)
        after = len(await self.anyone.reports())
        self.check("chain", what, after == before, accepted_before=before, accepted_after=after)

    async def refusal(self, error: str) -> str:
        """Wait for the next report that the hub refuses with an error; the whole reason."""
        begin = len(self._events)

        def found() -> str:
            refused = [e.reason for e in self._events[begin:] if isinstance(e, ReportRefused)]
            return next((reason for reason in refused if error in reason), "")

        return str(await self.wait(found, f"no report was refused with {error}"))

    async def problem(self, part: str) -> str:
        """Wait until the node says that it has a problem of which this is a part."""

        def found() -> str:
            return next((text for text in self._problems() if part in text), "")

        return str(await self.wait(found, f"the node does not say {part}"))

    def _problems(self) -> list[str]:
        """What keeps the node from its work, as far as it knows."""
        return [] if self._daemon is None else self._daemon.state.all_problems()


def _span(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    hours, minutes = divmod(rest // 60, 60)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or f"{seconds} s"
