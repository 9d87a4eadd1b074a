"""The time of a local world: chain, vendor and venues go forward together."""

from oracle.devnet.anvil import Anvil
from oracle.devnet.price_sources import PriceSources
from oracle.devnet.silicon_process import Silicon


class WorldClock:
    """Sets a world forward, so that days need not be waited for.

    The enclaves take their time from the venues' replies, the hubs from the chain's blocks, and
    documents are dated by the vendor. The nodes' own clocks stay: nothing on a chain depends on
    them.
    """

    def __init__(self, chain: Anvil, silicon: Silicon, sources: PriceSources) -> None:
        """Set up; the three agree with this machine's clock."""
        self._chain = chain
        self._silicon = silicon
        self._sources = sources
        self._offset_s = 0

    async def advance(self, seconds: int) -> None:
        """Set all three forward.

        For a moment they disagree: a report that is made in it is refused, and the next is not.
        """
        self._offset_s += seconds
        await self._silicon.control("clock", offset_s=self._offset_s)
        await self._chain.advance(seconds)
        await self._sources.set_offset(self._offset_s)

    async def now(self) -> int:
        """The time of the chain's latest block, seconds since the epoch."""
        block = await self._chain.call("eth_getBlockByNumber", "latest", False)
        return int(block["timestamp"], 16)
