"""Deploy all contracts on a local chain, in one block, with governance that does not wait."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from enclave.domain.errors import ChainError
from enclave.domain.evidence import TeeKind
from enclave.domain.feed import decode_definition, feed_id
from oracle.chain.abi_codec import decode_revert, load_abi
from oracle.chain.rpc import RpcRefused
from oracle.devnet.anvil import Anvil
from oracle.devnet.artifacts import created_address, creation_code

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
_REGISTRATION_S = 7 * 86_400
_READ_MAX_AGE_S = 86_400


@dataclass(frozen=True, slots=True)
class Plan:
    """What to deploy.

    Attributes:
        definitions: Canonical feed definitions in the order of their index.
        operators: Addresses that get a seat each, in the order of the seats, 20 bytes.
        images: The enclave image to approve for each platform, 32 bytes.
        build_digest: What the approvals state as the build's digest, 32 bytes.
        anchor: Constructor arguments of the verifier: the vendor's root and quoting enclaves.
        reseat_interval_s: Least time between two changes of a seat.
        quorum: Seats that must sign a report.
        operator_wei: What each operator holds at first.
    """

    definitions: tuple[bytes, ...]
    operators: tuple[bytes, ...]
    images: Mapping[TeeKind, bytes]
    build_digest: bytes
    anchor: tuple[Any, Any]
    reseat_interval_s: int
    quorum: int = 1
    operator_wei: int = 10 * 10**18


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
    """Transactions of one account that will share a block."""

    sender: bytes
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def create(self, name: str, *arguments: Any) -> bytes:
        """Deploy a contract; returns its address."""
        nonce = len(self.calls)
        self._add(f"deploy {name}", creation_code(name, *arguments), None)
        return created_address(self.sender, nonce)

    def govern(self, name: str, at: bytes, function: str, *arguments: Any) -> None:
        """Propose and, as there is no delay here, execute at once."""
        call = load_abi(name).encode_call(function, *arguments)
        for step in ("propose", "execute"):
            self._add(f"{step} {name}.{function}", load_abi(name).encode_call(step, call), at)

    def _add(self, what: str, data: bytes, to: bytes | None) -> None:
        fields = {"from": _hex(self.sender), "gas": hex(_GAS), "data": _hex(data)}
        fields["nonce"] = hex(len(self.calls))
        if to is not None:
            fields["to"] = _hex(to)
        self.calls.append((what, fields))


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
    await _mine(chain, batch)
    return Deployment(sender, plan.operators, contracts, feeds)


def _contracts(batch: _Batch, plan: Plan) -> dict[str, bytes]:
    roles = (batch.sender, batch.sender, 0)
    order = ("ImagePolicy", "AttestationRegistry", "SignerSet", "FeedHub", "DcapVerifier")
    at = {name: created_address(batch.sender, nonce) for nonce, name in enumerate(order)}
    config = (plan.quorum, _VENDORS, _TIER_DEV, _HUB_MAX_AGE_S, _HUB_SKEW_S)
    arguments: dict[str, tuple[Any, ...]] = {
        "ImagePolicy": (*roles, at["SignerSet"]),
        "AttestationRegistry": (*roles, at["ImagePolicy"], at["SignerSet"], _MAX_REF_BLOCKS),
        "SignerSet": (
            *roles,
            at["AttestationRegistry"],
            at["ImagePolicy"],
            plan.reseat_interval_s,
        ),
        "FeedHub": (*roles, at["SignerSet"], config),
        "DcapVerifier": plan.anchor,
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
        source = "local working copy"
        approval = (
            image_id,
            int(tee),
            _REGISTRATION_S,
            source,
            plan.build_digest[:20],
            plan.build_digest,
        )
        batch.govern("ImagePolicy", at["ImagePolicy"], "approveImage", approval)


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


async def _mine(chain: Anvil, batch: _Batch) -> None:
    """Put the whole batch into one block and check every receipt."""
    await chain.call("evm_setAutomine", False)
    hashes = await chain.batch([("eth_sendTransaction", [fields]) for _, fields in batch.calls])
    await chain.call("evm_mine")
    receipts = await chain.batch([("eth_getTransactionReceipt", [name]) for name in hashes])
    for (what, fields), receipt in zip(batch.calls, receipts, strict=True):
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
