"""How a submitter comes to each step, and dies there."""

from typing import Any

from oracle.chain.states import WATCH_BLOCKS
from tests.fakes.rpc_faults import Fault
from tests.integration.crash_steps import Ask, Step, Story
from tests.integration.step_bench import NEVER_S, REVERTS, SOON_S, Case, until
from tests.integration.submitter_lives import TARGET, Life


class Tale:
    """Leads a process to a step, and lets it die there."""

    def __init__(self, case: Case, step: Step) -> None:
        self._case = case
        self._step = step
        self._accepted = 0

    async def tell(self) -> None:
        """Tell it to the end."""
        stories = {
            Story.FIRST: self._first,
            Story.RAISED: self._raised,
            Story.SUPERSEDED: self._superseded,
            Story.MINED: self._mined,
            Story.REVERTED: self._mined,
            Story.FOREIGN: self._foreign,
            Story.REOPENED: self._reopened,
            Story.MOVED: self._moved,
            Story.FILLED: self._filled,
            Story.SETTLED: self._settled,
        }
        life = await stories[self._step.story]()
        if isinstance(self._step.place, Ask):
            await self._die_asking(life, self._step.place)
        await until(lambda: life.is_dead)
        await self._case.call("anvil_setCode", TARGET, "0x")
        self._case.node.censors.clear()

    async def _die_asking(self, life: Life, place: Ask) -> None:
        await until(lambda: self._case.proxy.count(fault=place.fault))
        if place.fault is Fault.DELAYED:
            await until(lambda: len(self._case.node.accepted) > self._accepted)
        life.kill()
        await until(lambda: life.is_dead)
        self._case.proxy.clear()

    async def _arm(self, life: Life, **facts: Any) -> None:
        place = self._step.place
        self._accepted = len(self._case.node.accepted)
        if isinstance(place, Ask):
            await self._case.proxy.arm(place.fault, methods=place.methods, count=1)
            return
        life.tell(deadly=place.deadly(**facts))
        await until(lambda: life.has_said(armed=True))

    async def _first(self) -> Life:
        life = await self._case.begin(NEVER_S)
        await self._arm(life)
        life.tell(call=1)
        return life

    async def _pooled(self, confirm_s: float) -> Life:
        """The first call is in the pool."""
        life = await self._case.begin(confirm_s)
        life.tell(call=1)
        await until(lambda: self._case.pooled)
        return life

    async def _done(self) -> Life:
        """The first call is mined, and its caller knows."""
        life = await self._pooled(NEVER_S)
        await self._case.node.mine()
        await until(lambda: life.has_said(done=1))
        return life

    async def _raised(self) -> Life:
        self._case.node.censors.add(self._case.address)
        life = await self._pooled(SOON_S)
        await self._arm(life)
        return life

    async def _superseded(self) -> Life:
        """Of an earlier run: that one need not be late before a newer call takes its nonce."""
        case = self._case
        case.node.censors.add(case.address)
        earlier = await self._pooled(NEVER_S)
        earlier.kill()
        await until(lambda: earlier.is_dead)
        life = await case.begin(NEVER_S)
        await until(lambda: case.proxy.count("eth_sendRawTransaction") > 1)
        await self._arm(life)
        case.first = 2
        life.tell(call=2)
        return life

    async def _mined(self) -> Life:
        life = await self._pooled(NEVER_S)
        if self._step.story is Story.REVERTED:
            await self._case.call("anvil_setCode", TARGET, REVERTS)
        await self._arm(life)
        await self._case.node.mine()
        return life

    async def _foreign(self) -> Life:
        life = await self._pooled(NEVER_S)
        await self._arm(life)
        await self._case.replace(0)
        return life

    async def _reopened(self) -> Life:
        life = await self._done()
        await self._arm(life)
        await self._case.node.reorg(1, is_reinjected=False)
        return life

    async def _moved(self) -> Life:
        life = await self._done()
        await self._arm(life)
        mined = [each.raw for each in self._case.included]
        await self._case.node.reorg(1, is_reinjected=False, foreign=mined)
        return life

    async def _filled(self) -> Life:
        await self._case.replace(0)
        life = await self._done()
        await self._arm(life)
        await self._case.node.reorg(2, is_reinjected=False)
        return life

    async def _settled(self) -> Life:
        life = await self._done()
        await self._arm(life, to_block=await self._case.node.height())
        await self._case.call("anvil_mine", hex(WATCH_BLOCKS))
        return life
