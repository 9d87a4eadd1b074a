"""The vendor's service in memory: answers URLs with what the emulated vendor publishes."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from enclave.domain.evidence import TeeKind
from oracle.attestation.endorsements.pcs import PckCa, Platform, Reply
from oracle.devnet.silicon.collateral import PublishedCollateral
from oracle.devnet.silicon.pki import Authority, pem_chain
from oracle.devnet.silicon.vendor import SiliconVendor

#: A moment at which the vendor publishes.
NOW = datetime(2031, 6, 1, 12, tzinfo=UTC)
AT = int(NOW.timestamp())


@dataclass
class FakeService:
    """Plays `Get`.

    Attributes:
        vendor: Whose documents.
        now: When they are issued.
        standard: The number that is standard; the newest unless given.
        replies: URL's path -> what is answered instead.
        asked: URLs without scheme and host.
    """

    vendor: SiliconVendor
    now: datetime = NOW
    standard: int | None = None
    replies: dict[str, Reply] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, url: str) -> Reply:
        parts = urlsplit(url)
        self.asked.append(parts.path + (f"?{parts.query}" if parts.query else ""))
        if parts.path in self.replies:
            return self.replies[parts.path]
        _, tee, *_, name = parts.path.split("/")
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        number = int(query.get("tcbEvaluationDataNumber", self.standard or 0)) or None
        published = self.vendor.collateral.publish(now=self.now, number=number)
        return self._reply(name, TeeKind[tee.upper()], published)

    def _reply(self, name: str, tee: TeeKind, published: PublishedCollateral) -> Reply:
        chain = self.vendor.chain
        if name.endswith("crl"):
            is_root = name == "rootcacrl"
            body = published.root_crl if is_root else published.pck_crl
            headers = {} if is_root else self._chain("sgx-pck-crl-issuer-chain", chain.platform_ca)
            return Reply(200, headers, body)
        content, header = {
            "tcb": ("tcbInfo", "tcb-info-issuer-chain"),
            "identity": ("enclaveIdentity", "sgx-enclave-identity-issuer-chain"),
            "tcbevaluationdatanumbers": (
                "tcbEvaluationDataNumbers",
                "tcb-evaluation-data-numbers-issuer-chain",
            ),
        }[name]
        return Reply(200, self._chain(header, chain.tcb_signer), published.replies(tee)[content])

    def _chain(self, header: str, leaf: Authority) -> dict[str, str]:
        return {header: quote(pem_chain(leaf, self.vendor.chain.root).decode())}


def machine(vendor: SiliconVendor, tee: TeeKind = TeeKind.TDX) -> Platform:
    """The vendor's machine."""
    return Platform(tee, vendor.platform.fmspc, PckCa.PLATFORM)


def write_folder(folder: Path, vendor: SiliconVendor, *, now: datetime = NOW) -> None:
    """The vendor's documents as files, for both TEEs."""
    published = vendor.collateral.publish(now=now)
    chain = vendor.chain
    (folder / "root.crl").write_bytes(published.root_crl)
    (folder / "pck.crl").write_bytes(published.pck_crl)
    (folder / "tcb.pem").write_bytes(pem_chain(chain.tcb_signer, chain.root))
    (folder / "ca.pem").write_bytes(pem_chain(chain.platform_ca, chain.root))
    for tee in (TeeKind.SGX, TeeKind.TDX):
        for name, body in published.replies(tee).items():
            (folder / f"{tee.name}-{name}.json").write_bytes(body)
