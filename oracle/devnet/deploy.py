"""Deploy all contracts on a local chain, in one block, with governance that does not wait.

The image policy's may wait: then what it is to approve is proposed in that block, the chain is set
forward by the delay, and a second block executes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from enclave.domain.errors import ChainError
from enclave.domain.evidence import TeeKind
from enclave.domain.feed import decode_definition, feed_id
from oracle.chain.abi_codec import decode_revert, load_abi
from oracle.chain.rpc import RpcRefused
from oracle.devnet.anvil import Anvil
from oracle.devnet.artifacts import created_address, creation_code
from oracle.devnet.silicon.collateral import FIRST_NUMBER
from oracle.devnet.silicon.vendor import VendorConstants

#: Gas offered with each deployment transaction; the local chain does not mind what is left over.
_GAS = 15_000_000
#: Blocks that a registration's reference block may lie back; the most the history contract serves.
_MAX_REF_BLOCKS = 8_191
_HUB_MAX_AGE_S = 60
_HUB_SKEW_S = 15
_TIER_DEV = 4
#: SGX and TDX are one vendor's, so that emulated silicon plays one alone.
_VENDORS = 1
_MAX_ANSWER = 2**63 - 1
_JUMP_BPS = 5_000
_JUMP_LAPSE_S = 3_600
#: Past rounds that the hub serves of each feed.
#: No feed keeps its past rounds: a push then costs half.
_HISTORY_ROUNDS = 0
_DAY_S = 86_400
_UP_TO_DATE = 1
_SOURCE = "local working copy"
_READ_MAX_AGE_S = 86_400


@dataclass(frozen=True, slots=True)
class Requirements:
    """What an image's platforms must meet; see `IImagePolicy`.

    Attributes:
        max_age_s: Longest life of a registration.
        tcb_statuses: Those that are accepted.
        min_evaluation_number: Lowest TCB evaluation data number.
        recovery_grace_s: How long an older number is still taken.
        collateral_grace_s: How long a registration outlives its collateral.
    """

    max_age_s: int = 7 * _DAY_S
    tcb_statuses: tuple[int, ...] = (_UP_TO_DATE,)
    min_evaluation_number: int = FIRST_NUMBER
    recovery_grace_s: int = _DAY_S
    collateral_grace_s: int = 3 * _DAY_S

    def fields(self) -> tuple[Any, ...]:
        """The struct; any machine, no advisories."""
        mask = sum(1 << status for status in self.tcb_statuses)
        graces = (self.recovery_grace_s, self.collateral_grace_s)
        return (self.max_age_s, mask, self.min_evaluation_number, *graces, (), ())


#: What a local world's images ask for unless they are told otherwise.
REQUIREMENTS: Final = Requirements()


@dataclass(frozen=True, slots=True)
class Plan:
    """What to deploy.

    Attributes:
        definitions: Canonical feed definitions in the order of their index.
        operators: Addresses that get a seat each, in the order of the seats, 20 bytes.
        images: The enclave image to approve for each platform, 32 bytes.
        build_digest: What the approvals state as the build's digest, 32 bytes.
        vendor: What collateral and verifier are built with.
        reseat_interval_s: Least time between two changes of a seat.
        quorum: Seats that must sign a report.
        operator_wei: What each operator holds at first.
        requirements: What the platforms of all images must meet.
        policy_delay_s: The image policy's delay; the chain is set forward by it.
    """

    definitions: tuple[bytes, ...]
    operators: tuple[bytes, ...]
    images: Mapping[TeeKind, bytes]
    build_digest: bytes
    vendor: VendorConstants
    reseat_interval_s: int
    quorum: int = 1
    operator_wei: int = 10 * 10**18
    requirements: Requirements = REQUIREMENTS
    policy_delay_s: int = 0


@dataclass(frozen=True, slots=True)
class FeedContracts:
    """Where a feed is read.

    Attributes:
        feed_id: 32 bytes.
        name: `BASE/QUOTE`.
        decimals: Of the answer.
        facade: `AggregatorV3Facade`, 20 bytes.
        consumer: `PriceConsumer` that reads the facade, 20 bytes.
    """

    feed_id: bytes
    name: str
    decimals: int
    facade: bytes
    consumer: bytes


@dataclass(frozen=True, slots=True)
class Deployment:
    """Addresses of 20 bytes each.

    Attributes:
        governance: The deployer; it governs everything here.
        operators: By number of their seat.
        contracts: Contract name -> address, for those that exist once.
        feeds: By index in the hub.
    """

    governance: bytes
    operators: tuple[bytes, ...]
    contracts: Mapping[str, bytes]
    feeds: tuple[FeedContracts, ...]


@dataclass(slots=True)
class _Batch:
    """Transactions of one account: those that will share a block, and those after the delay."""

    sender: bytes
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    later: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def create(self, name: str, *arguments: Any) -> bytes:
        """Deploy a contract; returns its address."""
        nonce = len(self.calls)
        self._add(self.calls, f"deploy {name}", creation_code(name, *arguments), None)
        return created_address(self.sender, nonce)

    def govern(
        self, name: str, at: bytes, function: str, *arguments: Any, waits: bool = False
    ) -> None:
        """Propose, and execute at once or after the delay."""
        call = load_abi(name).encode_call(function, *arguments)
        steps = {"propose": self.calls, "execute": self.later if waits else self.calls}
        for step, calls in steps.items():
            data = load_abi(name).encode_call(step, call)
            self._add(calls, f"{step} {name}.{function}", data, at)

    def _add(
        self, calls: list[tuple[str, dict[str, str]]], what: str, data: bytes, to: bytes | None
    ) -> None:
        fields = {"from": _hex(self.sender), "gas": hex(_GAS), "data": _hex(data)}
        if to is not None:
            fields["to"] = _hex(to)
        calls.append((what, fields))


async def deploy(chain: Anvil, plan: Plan) -> Deployment:
    """Deploy, list, approve and seat on a chain whose first account is unused.

    The contracts end as governance would leave them, but nobody has registered and the hub has no
    table yet: that is the daemon's part.

    Raises:
        ChainError: A transaction reverted; names it.
    """
    sender = bytes.fromhex((await chain.call("eth_accounts"))[0][2:])
    batch = _Batch(sender)
    contracts = _contracts(batch, plan)
    _policies(batch, contracts, plan)
    feeds = tuple(_feed(batch, contracts["FeedHub"], canonical) for canonical in plan.definitions)
    for operator in plan.operators:
        await chain.call("anvil_setBalance", _hex(operator), hex(plan.operator_wei))
    await _mine(chain, batch.calls)
    if batch.later:
        await chain.advance(plan.policy_delay_s)
        await _mine(chain, batch.later)
    return Deployment(sender, plan.operators, contracts, feeds)


def _contracts(batch: _Batch, plan: Plan) -> dict[str, bytes]:
    roles = (batch.sender, batch.sender, 0)
    core = ("ImagePolicy", "AttestationRegistry", "SignerSet", "FeedHub")
    order = (*core, "IntelCollateral", "DcapVerifier")
    at = {name: created_address(batch.sender, nonce) for nonce, name in enumerate(order)}
    config = (plan.quorum, _VENDORS, _TIER_DEV, _HUB_MAX_AGE_S, _HUB_SKEW_S)
    waiting = (*roles[:2], plan.policy_delay_s)
    arguments: dict[str, tuple[Any, ...]] = {
        "ImagePolicy": (*waiting, at["SignerSet"], at["AttestationRegistry"]),
        "AttestationRegistry": (*roles, at["ImagePolicy"], at["SignerSet"], _MAX_REF_BLOCKS),
        "SignerSet": (
            *roles,
            at["AttestationRegistry"],
            at["ImagePolicy"],
            plan.reseat_interval_s,
        ),
        "FeedHub": (*roles, at["SignerSet"], config),
        "IntelCollateral": (plan.vendor.root_certificate, plan.vendor.signer_name, True),
        "DcapVerifier": (at["IntelCollateral"],),
    }
    for name in order:
        batch.create(name, *arguments[name])
    return at


def _policies(batch: _Batch, at: Mapping[str, bytes], plan: Plan) -> None:
    batch.govern(
        "AttestationRegistry", at["AttestationRegistry"], "addVerifier", at["DcapVerifier"]
    )
    batch.govern("SignerSet", at["SignerSet"], "addHub", at["FeedHub"])
    for operator in plan.operators:
        batch.govern("SignerSet", at["SignerSet"], "addSeat", operator)
    for tee, image_id in plan.images.items():
        approval = image_approval(image_id, tee, plan.build_digest, plan.requirements)
        waits = plan.policy_delay_s > 0
        batch.govern("ImagePolicy", at["ImagePolicy"], "approveImage", approval, waits=waits)


def image_approval(
    image_id: bytes, tee: TeeKind, build_digest: bytes, requirements: Requirements
) -> tuple[Any, ...]:
    """The argument of `ImagePolicy.approveImage`; the build's digest stands for a commit, too."""
    provenance = (_SOURCE, build_digest[:20], build_digest)
    return (image_id, int(tee), *provenance, requirements.fields())


def _feed(batch: _Batch, hub: bytes, canonical: bytes) -> FeedContracts:
    definition = decode_definition(canonical)
    identity = feed_id(canonical)
    limits = (1, _MAX_ANSWER, _JUMP_BPS, _JUMP_LAPSE_S)
    listing = (definition.decimals, canonical, *limits, _HISTORY_ROUNDS)
    batch.govern("FeedHub", hub, "listFeed", listing)
    facade = batch.create(
        "AggregatorV3Facade", hub, identity, bytes(32), _READ_MAX_AGE_S, definition.name
    )
    consumer = batch.create("PriceConsumer", facade, _READ_MAX_AGE_S)
    return FeedContracts(identity, definition.name, definition.decimals, facade, consumer)


async def _mine(chain: Anvil, calls: Sequence[tuple[str, dict[str, str]]]) -> None:
    """Put all into one block, in this order, and check every receipt."""
    await chain.call("evm_setAutomine", False)
    sender = calls[0][1]["from"]
    first = int(await chain.call("eth_getTransactionCount", sender, "latest"), 16)
    numbered = [(what, fields | {"nonce": hex(n)}) for n, (what, fields) in enumerate(calls, first)]
    hashes = await chain.batch([("eth_sendTransaction", [fields]) for _, fields in numbered])
    await chain.call("evm_mine")
    receipts = await chain.batch([("eth_getTransactionReceipt", [name]) for name in hashes])
    for (what, fields), receipt in zip(numbered, receipts, strict=True):
        if receipt is None:
            raise ChainError(f"{what}: not mined; the block is full")
        if receipt["status"] != "0x1":
            raise ChainError(f"{what} reverted: {await _reason(chain, fields)}")


async def _reason(chain: Anvil, fields: dict[str, str]) -> str:
    """What a reverted call says when it is tried again on the state after it."""
    try:
        await chain.call("eth_call", {k: v for k, v in fields.items() if k != "nonce"}, "latest")
    except RpcRefused as error:
        return decode_revert(load_abi("FeedHub"), error.data)
    return "no reason found"


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"


async def read_price(chain: Anvil, consumer: bytes, *, block: int) -> tuple[int, int, int]:
    """What a consumer contract reads through `AggregatorV3Interface`.

    Args:
        chain: Where it is.
        consumer: Address of a `PriceConsumer`, 20 bytes.
        block: Height at which it reads.

    Returns:
        Answer, its decimals, and when it was observed, in seconds since the epoch.

    Raises:
        RpcRefused: The consumer's own guards refused, or the feed has no round.
        ChainError: The chain is not reachable.
    """
    price = load_abi("PriceConsumer")
    call = {"to": _hex(consumer), "data": _hex(price.encode_call("price"))}
    reply = await chain.call("eth_call", call, hex(block))
    answer, decimals, observed_at = price.decode_result("price", bytes.fromhex(reply[2:]))
    return int(answer), int(decimals), int(observed_at)
