"""The contracts on an EVM chain: typed reads, and the calls that change them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal

from enclave.domain.errors import ChainError
from oracle.chain.abi_codec import ContractAbi, load_abi
from oracle.chain.base import (
    Block,
    Call,
    CallReverted,
    HubNews,
    HubStatus,
    Image,
    KeptMachine,
    Receipt,
    Recheck,
    Registration,
    Round,
    Seat,
    SeatedSigner,
    Seats,
    SignerStatus,
)
from oracle.chain.collateral import EvmCollateral
from oracle.chain.life import LifeCause
from oracle.chain.parsing import parse_block, parse_log
from oracle.chain.reading import read_contract
from oracle.chain.rpc import Rpc, hex_bytes, quantity
from oracle.config import checksum_address

_ZERO = "0x" + "00" * 20
_ENTRY_SIZE = 14
#: A recovery grace that makes newer numbers not matter.
_ANY_NUMBER = 2**32 - 1
#: Bytes of a signer in a hub's table.
_ROW_SIZE = 26
#: Reverts of a listed feed without a round to serve.
_UNSERVED = ("FeedHub_NeverWritten", "FeedHub_FeedPaused", "FeedHub_OutOfBounds")
#: Blocks whose events are asked for at once; some endpoints give no more.
_MAX_NEWS_BLOCKS = 100


class EvmChain:
    """The four contracts of one deployment."""

    def __init__(
        self, rpc: Rpc, *, registry: str, signer_set: str, hub: str, verifier_id: int
    ) -> None:
        """Set up; nothing is asked yet.

        Args:
            rpc: Endpoints of the chain.
            registry: `AttestationRegistry`.
            signer_set: `SignerSet`.
            hub: `FeedHub`.
            verifier_id: The registry's number of the verifier, from 1.
        """
        self._rpc = rpc
        self._agreed = _Agreed(rpc)
        self._registry = (registry, load_abi("AttestationRegistry"))
        self._signers = (signer_set, load_abi("SignerSet"))
        self._hub = (hub, load_abi("FeedHub"))
        self._dcap = load_abi("DcapVerifier")
        self._verifier_id = verifier_id
        self._verifier = ""
        self._last_table = ("", b"")

    async def head(self) -> Block:
        """The latest block."""
        return await self.block("latest")

    async def block(self, number: int | Literal["latest"]) -> Block:
        """A block by its height."""
        wanted = number if number == "latest" else hex(number)
        return parse_block(await self._rpc.request_agreed("eth_getBlockByNumber", [wanted, False]))

    async def balance(self, address: str) -> int:
        """Funds of an account in wei."""
        return quantity(await self._rpc.request_agreed("eth_getBalance", [address, "latest"]))

    async def feed_ids(self) -> tuple[bytes, ...]:
        """The hub's list, in order of index."""
        return tuple(await self._read(self._hub, "feedIds"))

    async def rounds(self, indexes: Collection[int]) -> Mapping[int, Round]:
        """The rounds of these feeds in one block; one that the hub does not serve is left out."""
        found: dict[int, Round] = {}
        block = await self._rpc.pin()
        for index in indexes:
            try:
                values = await self._read(self._hub, "read", index, block=block)
                found[index] = Round(*values.values())
            except CallReverted as error:
                if error.name not in _UNSERVED:
                    raise
        return found

    async def hub(self) -> HubStatus:
        """What the hub wants of a report."""
        config = await self._read(self._hub, "config")
        is_live = await self._read(self._hub, "isLive")
        return HubStatus(config["m"], config["d"], config["maxAge_s"], is_live)

    async def news(self, block: int) -> HubNews:
        """What happened at the hub after a block; two questions, however many feeds there are."""
        latest = quantity(await self._rpc.request_agreed("eth_blockNumber", []))
        if latest <= block:
            return HubNews(block, frozenset(), has_more=False)
        if latest - block > _MAX_NEWS_BLOCKS:
            return HubNews(latest, frozenset(), has_more=True)
        address, abi = self._hub
        wanted = {"address": address, "fromBlock": hex(block + 1), "toBlock": hex(latest)}
        found = await self._rpc.request("eth_getLogs", [wanted])
        if not isinstance(found, list):
            raise ChainError("the endpoint's logs are none")
        reported: set[int] = set()
        has_more = False
        for log in map(parse_log, found):
            try:
                name, fields = abi.decode_event(log.topics, log.data)
            except ChainError:
                name, fields = "", {}
            if name == "ReportAccepted":
                reported.update(_indexes(fields["entries"]))
            elif name != "FeedSkipped":
                has_more = True
        return HubNews(latest, frozenset(reported), has_more)

    async def signer(self, address: bytes) -> SignerStatus:
        """What the registry says of a signer."""
        info = await self._read(self._registry, "signerInfo", "0x" + address.hex())
        return SignerStatus(
            operator=checksum_address(info["operator"]),
            registered_at=info["registeredAt"],
            expires_at=info["expiresAt"],
            image_id=info["imageId"],
            tee=info["tee"],
            tier=info["tier"],
            cause=_cause(info["cause"]),
            is_revoked=info["revoked"],
            is_valid=info["valid"],
        )

    async def seat(self, operator: str) -> Seat:
        """The operator's seat; `CallReverted` if it has none."""
        number = await self._read(self._signers, "seatOf", operator)
        seat = (await self._read(self._signers, "seats"))[number]
        signers = (_signer_or_none(seat["signer0"]), _signer_or_none(seat["signer1"]))
        return Seat(number, signers, seat["newest"], seat["takenAt"])

    async def positions(self) -> Mapping[str, int]:
        """Position of every signer that sits in a seat, whether or not it counts there."""
        seats = await self._read(self._signers, "seats")
        pairs = (pair for seat in seats for pair in (seat["signer0"], seat["signer1"]))
        return {checksum_address(a): number for number, a in enumerate(pairs) if a != _ZERO}

    async def seats(self) -> Seats:
        """All seats, and the signers in them that the hub's table holds."""
        seats = await self._read(self._signers, "seats")
        entries = await self._read(self._signers, "entries")
        table = await self._table(await self._read(self._hub, "table"))
        operators = tuple(_signer_or_none(seat["operator"]) for seat in seats)
        return Seats(operators, tuple(_seated(operators, entries, table)))

    async def _table(self, address: str) -> bytes:
        """Code of a table, which never changes; empty before the first one."""
        if address == _ZERO:
            return b""
        if self._last_table[0] != address:
            code = await self._rpc.request_agreed("eth_getCode", [address, "latest"])
            self._last_table = (address, hex_bytes(code))
        return self._last_table[1]

    async def needs_rebuild(self) -> bool:
        """Whether a rebuild would change the hub's table."""
        try:
            await self._read(self._hub, "rebuild")
        except CallReverted as error:
            if error.name == "FeedHub_NothingToRebuild":
                return False
            raise
        return True

    async def check_wiring(self) -> None:
        """Check that the configured contracts belong together.

        Raises:
            ChainError: One names another contract than the configuration does.
        """
        wanted = (
            (self._hub, "signerSet", self._signers),
            (self._signers, "registry", self._registry),
        )
        for contract, getter, other in wanted:
            seen = checksum_address(await self._read(contract, getter))
            if seen != other[0]:
                raise ChainError(
                    f"{contract[0]}.{getter}() is {seen}, the configuration says {other[0]}"
                )
        await self.verifier()

    async def image(self, image_id: bytes) -> Image:
        """What the image policy says of an image."""
        policy = checksum_address(await self._read(self._signers, "imagePolicy"))
        info = await self._read((policy, load_abi("ImagePolicy")), "image", image_id)
        grace_s = info["recoveryGrace_s"]
        return Image(
            max_age_s=info["maxAge_s"],
            is_live=info["live"],
            min_number=info["minEvaluationNumber"],
            recovery_grace_s=None if grace_s == _ANY_NUMBER else grace_s,
            statuses=info["tcbStatuses"],
        )

    async def machine(self, pck_id: bytes) -> KeptMachine:
        """What the verifier keeps of a machine."""
        verifier = (await self.verifier(), self._dcap)
        kept = await self._read(verifier, "pck", pck_id)
        return KeptMachine(valid_until=kept["validUntil"], epoch=kept["epoch"])

    async def collateral(self) -> EvmCollateral:
        """The vendor's collateral by which the verifier appraises."""
        verifier = (await self.verifier(), self._dcap)
        address = checksum_address(await self._read(verifier, "collateral"))
        return EvmCollateral(self._rpc, address)

    async def verifier(self) -> str:
        """Address of the configured verifier."""
        if not self._verifier:
            address = await self._read(self._registry, "verifierAt", self._verifier_id)
            if address == _ZERO:
                raise ChainError(f"the registry has no verifier {self._verifier_id}")
            self._verifier = checksum_address(address)
        return self._verifier

    async def add_endorsements(self, endorsements: bytes) -> Call:
        """Bring what does not fit into a registration."""
        verifier = (await self.verifier(), self._dcap)
        return _call("add_endorsements", verifier, "addEndorsements", endorsements)

    def register(self, registration: Registration) -> Call:
        """Register or renew a signer."""
        request = (
            self._verifier_id,
            "0x" + registration.signer.hex(),
            registration.operator,
            registration.hpke_public_key,
            registration.ref_block,
            registration.evidence,
            registration.hints,
            registration.endorsements,
            registration.signature,
        )
        return _call("register", self._registry, "register", request)

    def recheck(self, recheck: Recheck) -> Call:
        """Have the evidence that a signer stands on appraised again."""
        request = (
            recheck.verifier_id,
            "0x" + recheck.signer.hex(),
            recheck.hpke_key_hash,
            recheck.ref_block_hash,
            recheck.evidence,
            recheck.hints,
            recheck.endorsements,
        )
        return _call("recheck", self._registry, "recheck", request)

    def revoke(self, signer: bytes) -> Call:
        """Revoke a signer for good; hubs stop until rebuilt."""
        return _call("revoke", self._registry, "revoke", "0x" + signer.hex())

    def take(self, seat: int, signer: bytes) -> Call:
        """Put a signer into the operator's seat."""
        return _call("take", self._signers, "take", seat, "0x" + signer.hex())

    def rebuild(self) -> Call:
        """Bring the hub's table up to date."""
        return _call("rebuild", self._hub, "rebuild")

    def submit(self, report: bytes) -> Call:
        """Bring a report."""
        return _call("submit", self._hub, "submit", report)

    def landed(self, receipt: Receipt) -> Sequence[int]:
        """Indexes of the feeds that a report's transaction stored."""
        address, abi = self._hub
        skipped: set[int] = set()
        stored: list[int] = []
        for log in receipt.logs:
            if log.address.lower() != address.lower():
                continue
            name, fields = abi.decode_event(log.topics, log.data)
            if name == "FeedSkipped":
                skipped.add(fields["index"])
            elif name == "ReportAccepted":
                stored += _indexes(fields["entries"])
        return [index for index in stored if index not in skipped]

    async def _read(
        self,
        contract: tuple[str, ContractAbi],
        name: str,
        *arguments: object,
        block: Any = "latest",
    ) -> Any:
        return await read_contract(self._agreed, contract, name, *arguments, block=block)


class _Agreed:
    """Asks what matters: the contracts' state is only believed if no endpoint denies it."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    async def request(self, method: str, params: Sequence[Any]) -> Any:
        return await self._rpc.request_agreed(method, params)


def _cause(number: int) -> LifeCause:
    if number not in list(LifeCause):
        raise ChainError(f"the registry says cause {number}, wanted 0 to {max(LifeCause)}")
    return LifeCause(number)


def _call(
    purpose: str, contract: tuple[str, ContractAbi], function: str, *arguments: object
) -> Call:
    address, abi = contract
    return Call(purpose, address, abi.encode_call(function, *arguments))


def _indexes(entries: bytes) -> list[int]:
    """The feeds of a report's packed entries."""
    starts = range(0, len(entries), _ENTRY_SIZE)
    return [int.from_bytes(entries[at : at + 2], "big") for at in starts]


def _signer_or_none(address: str) -> str | None:
    return None if address == _ZERO else checksum_address(address)


def _seated(
    operators: Sequence[str | None], entries: Sequence[Mapping[str, Any]], table: bytes
) -> Iterator[SeatedSigner]:
    """The signers of `SignerSet.entries()` that stand at their position in the hub's table.

    The others count after the next rebuild. Expiry, vendor and tier are the table's: `00 |
    positions x (signer 20 | expiresAt u40 | vendor u4 | tier u4) | …`, see `IFeedHub.rebuild`.
    """
    for position, entry in enumerate(entries):
        row = table[1 + _ROW_SIZE * position :][:_ROW_SIZE]
        signer = bytes.fromhex(entry["signer"][2:])
        # A seat may have come between two answers; its signers come with the next look.
        operator = operators[position // 2] if position // 2 < len(operators) else None
        if operator is None or entry["signer"] == _ZERO or row[:20] != signer:
            continue
        yield SeatedSigner(
            position=position,
            signer=signer,
            operator=operator,
            expires_at=int.from_bytes(row[20:25], "big"),
            vendor=row[25] >> 4,
            tier=row[25] & 0x0F,
        )
