"""Events in the life of a registration, played in a local world with real processes.

Each scenario is one module; `play.py` is what they are played with. What they tell is checked
against the chain step by step, and the first thing that is not as it must be ends them.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from enclave.domain.evidence import TeeKind
from oracle.daemon.tasks import leading_error
from oracle.devnet.anvil import DEFAULT_ANVIL, Anvil
from oracle.devnet.price_sources import price_sources
from oracle.devnet.scenarios import expiry, revocation, tcb_recovery, upgrade
from oracle.devnet.scenarios.play import Play, ScenarioFailed, Step
from oracle.devnet.world import TlsSources, WorldOptions, world
from oracle.feeds.catalogue import Feed

__all__ = ["SCENARIOS", "Scenario", "ScenarioFailed", "ScenarioOptions", "Step", "perform"]

_SEED = 1


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens, and in which kind of world.

    Attributes:
        summary: One line.
        play: Plays it.
        policy_delay_s: Delay of the image policy.
        renew_before_s: How long before its end a node renews; `None`: as nodes do.
    """

    summary: str
    play: Callable[[Play], Awaitable[None]]
    policy_delay_s: int = 0
    renew_before_s: int | None = None

    def settings(self) -> dict[str, dict[str, Any]]:
        """What the node's configuration says besides where it is."""
        daemon: dict[str, Any] = {"poll_s": 1.0}
        if self.renew_before_s is not None:
            daemon["renew_before_s"] = float(self.renew_before_s)
        return {"daemon": daemon}


SCENARIOS: Mapping[str, Scenario] = {
    "tcb-recovery": Scenario(
        "a vulnerability becomes public; the machine is updated late", tcb_recovery.play
    ),
    "revocation": Scenario(
        "the vendor revokes the machine's certificate",
        revocation.play,
        renew_before_s=revocation.RENEW_BEFORE_S,
    ),
    "expiry": Scenario("the vendor stops publishing, and publishes again", expiry.play),
    "upgrade": Scenario(
        "a new enclave image takes over", upgrade.play, policy_delay_s=upgrade.POLICY_DELAY_S
    ),
}


@dataclass(frozen=True, slots=True)
class ScenarioOptions:
    """In which world a scenario is played.

    Attributes:
        tee: Platform that the silicon plays.
        feeds: To serve.
        block_time_s: Longest time between two blocks.
        anvil: The native program.
    """

    tee: TeeKind
    feeds: tuple[Feed, ...]
    block_time_s: int = 1
    anvil: Path = DEFAULT_ANVIL


async def perform(
    scenario: Scenario, options: ScenarioOptions, tell: Callable[[Step], None]
) -> None:
    """Play a scenario in a world of its own, of which nothing is left afterwards.

    Args:
        scenario: What happens.
        options: Where.
        tell: Told each step.

    Raises:
        ScenarioFailed: Something is not as it must be.
        ConfigError: The world cannot be started.
        ChainError: The chain refuses what it must take.
    """
    with tempfile.TemporaryDirectory(prefix="oracle-pki-") as folder:
        async with price_sources(Path(folder), seed=_SEED) as sources:
            wanted = WorldOptions(
                tee=options.tee,
                definitions=tuple(feed.canonical for feed in options.feeds),
                settings=scenario.settings(),
                # Each transaction has a block at once; see `_blocks`.
                block_time_s=None,
                anvil=options.anvil,
                policy_delay_s=scenario.policy_delay_s,
            )
            async with world(wanted, TlsSources(sources.ca, sources.ports)) as local:
                accounts = await local.chain.call("eth_accounts")
                play = Play(local, sources, options.feeds, accounts=accounts, tell=tell)
                async with _blocks(local.chain, options.block_time_s):
                    await scenario.play(play)


@asynccontextmanager
async def _blocks(chain: Anvil, interval_s: int) -> AsyncIterator[None]:
    """Have blocks come without transactions, too, for the length of the block."""

    async def mine() -> None:
        while True:
            await asyncio.sleep(interval_s)
            await chain.call("evm_mine")

    try:
        async with asyncio.TaskGroup() as tasks:
            mining = tasks.create_task(mine())
            yield
            mining.cancel()
    except BaseExceptionGroup as group:
        raise leading_error(group) from group
