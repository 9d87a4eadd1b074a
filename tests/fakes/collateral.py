"""`IntelCollateral` in memory, for what the host reads of it and sends to it."""

from dataclasses import dataclass, field, replace

from enclave.domain.evidence import TeeKind
from oracle.attestation.endorsements.documents import Authority, Document, DocumentKind
from oracle.attestation.endorsements.pcs import Platform, Wanted, fetch_collateral
from oracle.chain.base import Block, Call, Image, KeptMachine, Receipt
from oracle.chain.collateral import NOTHING, Kept
from tests.fakes.pcs import AT, FakeService

_CONTRACT = "0x" + "cc" * 20
_Key = tuple[object, ...]


@dataclass
class FakeCollateral:
    """Plays `EvmCollateral`: each call's data is a key into `offered`.

    Attributes:
        offered: What may be brought, by the bytes that stand for it.
        kept: What was brought, by place.
        epoch: The current one.
    """

    offered: dict[bytes, Document] = field(default_factory=dict)
    kept: dict[_Key, Kept] = field(default_factory=dict)
    epoch: int = 0
    address: str = _CONTRACT

    def take(self, raw: bytes) -> None:
        """Carry out a call."""
        document = self.offered[raw]
        if document.kind is DocumentKind.ROOT_CRL and not self.epoch:
            self.epoch = 1
        number = document.number or 0
        issued_at = 0 if isinstance(document.content, Authority) else document.issued_at
        kept = Kept(document.digest, number, issued_at, document.ends_at, self.epoch)
        self.kept[document.place] = kept

    def alter(self, kind: DocumentKind, **changes: object) -> None:
        """Have it keep something else of every document of a kind."""
        for place, kept in self.kept.items():
            if place[0] is kind:
                # mypy does not know the types of fields that are named at run time.
                self.kept[place] = replace(kept, **changes)  # type: ignore[arg-type]

    def _of(self, *place: object) -> Kept:
        return self.kept.get(place, NOTHING)

    async def root_crl(self) -> Kept:
        return self._of(DocumentKind.ROOT_CRL, b"")

    async def authority(self, authority_id: bytes) -> Kept:
        found = self._of(DocumentKind.SIGNER, authority_id)
        return self._of(DocumentKind.PCK_CA, authority_id) if found is NOTHING else found

    async def pck_crl(self, ca_id: bytes) -> Kept:
        return self._of(DocumentKind.PCK_CRL, ca_id)

    async def numbers(self, tee: TeeKind) -> Kept:
        return self._of(DocumentKind.NUMBERS, tee)

    async def tcb_info(self, tee: TeeKind, fmspc: bytes, number: int) -> Kept:
        return self._of(DocumentKind.TCB_INFO, tee, fmspc, number)

    async def qe_identity(self, tee: TeeKind, number: int) -> Kept:
        return self._of(DocumentKind.QE_IDENTITY, tee, number)

    async def is_revoked(self, serial: int) -> bool:
        return False

    def bring_root_crl(self, crl: bytes) -> Call:
        return Call("bring_root_crl", _CONTRACT, crl)

    def bring_authority(self, certificate: bytes) -> Call:
        return Call("bring_authority", _CONTRACT, certificate)

    def bring_pck_crl(self, crl: bytes, ca_id: bytes) -> Call:
        return Call("bring_pck_crl", _CONTRACT, crl)

    def bring_numbers(self, text: bytes, signature: bytes, signer_id: bytes) -> Call:
        return Call("bring_numbers", _CONTRACT, text)

    def bring_tcb_info(self, text: bytes, signature: bytes, signer_id: bytes) -> Call:
        return Call("bring_tcb_info", _CONTRACT, text)

    def bring_qe_identity(self, text: bytes, signature: bytes, signer_id: bytes) -> Call:
        return Call("bring_qe_identity", _CONTRACT, text)


@dataclass
class FakeKeeperChain:
    """Plays `KeeperChain`."""

    contract: FakeCollateral
    now: int = AT
    policy: Image = field(
        default_factory=lambda: Image(7 * 86_400, True, min_number=17, recovery_grace_s=86_400)
    )
    machines: dict[bytes, KeptMachine] = field(default_factory=dict)

    async def head(self) -> Block:
        return Block(9, bytes(32), bytes(32), self.now, 1)

    async def image(self, image_id: bytes) -> Image:
        return self.policy

    async def machine(self, pck_id: bytes) -> KeptMachine:
        return self.machines.get(pck_id, KeptMachine(0, 0))

    async def collateral(self) -> FakeCollateral:
        return self.contract

    async def add_endorsements(self, endorsements: bytes) -> Call:
        return Call("add_endorsements", _CONTRACT, endorsements)


@dataclass
class FakeBringer:
    """Plays `Submitter`.

    Attributes:
        refusals: Purpose -> what it raises instead.
    """

    contract: FakeCollateral
    refusals: dict[str, Exception] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    address: str = "0x" + "aa" * 20

    async def send(self, call: Call) -> Receipt:
        if call.purpose in self.refusals:
            raise self.refusals[call.purpose]
        self.sent.append(call.purpose)
        if call.purpose != "add_endorsements":
            self.contract.take(call.data)
        return Receipt(b"\x07" * 32, 11, True, 100_000, 10**9)


@dataclass
class FakeSource:
    """Plays `CollateralSource`: the emulated vendor's service without a socket.

    Attributes:
        failure: Raised instead.
        fetched: How often it was asked.
    """

    service: FakeService
    contract: FakeCollateral
    failure: Exception | None = None
    fetched: int = 0

    async def fetch(self, platform: Platform, wanted: Wanted) -> tuple[Document, ...]:
        self.fetched += 1
        if self.failure is not None:
            raise self.failure
        documents = await fetch_collateral(self.service, "https://x", platform, wanted)
        self.contract.offered |= {each.raw: each for each in documents}
        return documents
