"""Anyone: a person without a role, who reads the chain and the vendor and acts on what they say.

Everything here rests on what is public: events of the contracts, headers of blocks, and the
vendor's service.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from enclave.domain.errors import ChainError
from enclave.domain.report import keccak256
from oracle.attestation.codecs.dcap import DcapQuote, parse_certificate, parse_evidence
from oracle.attestation.codecs.dcap_hints import hints_of_refusal
from oracle.attestation.codecs.tcb_tables import EvaluationNumbers, QeIdentity, TcbInfo
from oracle.attestation.endorsements.documents import Document
from oracle.attestation.endorsements.pcs import Platform, platform_of
from oracle.chain.abi_codec import load_abi
from oracle.chain.base import Call, Receipt
from oracle.chain.certificates import read_authority, read_machine_certificates
from oracle.chain.collateral import EvmCollateral
from oracle.chain.life import LifeCause
from oracle.chain.parsing import parse_log
from oracle.chain.reading import read_contract
from oracle.collateral.plan import plan
from oracle.collateral.source import Service
from oracle.collateral.update import bring, look
from oracle.config import checksum_address
from oracle.devnet.account import Account
from oracle.devnet.anvil import Anvil
from oracle.devnet.deploy import Deployment
from oracle.devnet.silicon_process import Silicon

_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Registered:
    """What the registry says of a signer.

    Attributes:
        is_valid: Whether it may sign now.
        is_revoked: For good.
        seconds_left: If nothing happens; 0 for one that is not valid.
        cause: What ends or ended it.
    """

    is_valid: bool
    is_revoked: bool
    seconds_left: int
    cause: LifeCause


class Anyone:
    """Someone with an account on the chain.

    Attributes:
        account: Pays.
    """

    def __init__(
        self, account: Account, chain: Anvil, deployment: Deployment, silicon: Silicon
    ) -> None:
        """Set up.

        Args:
            account: Pays.
            chain: Where it acts.
            deployment: The contracts.
            silicon: The vendor, of which the service is public.
        """
        self.account = account
        self._chain = chain
        self._at = {
            name: checksum_address(f"0x{at.hex()}") for name, at in deployment.contracts.items()
        }
        self._service = Service(silicon.pcs, _TIMEOUT_S)

    async def read(self, contract: str, function: str, *arguments: Any) -> Any:
        """Ask a contract's view."""
        target = (self._at[contract], load_abi(contract))
        return await read_contract(self._chain, target, function, *arguments)

    async def registered(self, signer: str) -> Registered:
        """What the registry says of a signer."""
        info = await self.read("AttestationRegistry", "signerInfo", signer)
        seconds_left, cause = await self.read("AttestationRegistry", "lifeLeft", signer)
        return Registered(info["valid"], info["revoked"], seconds_left, LifeCause(cause))

    async def registration(self, signer: str) -> dict[str, Any]:
        """The registry's event of a signer's last registration or renewal.

        Raises:
            ChainError: There is none.
        """
        events = await self._events("AttestationRegistry", "SignerRegistered")
        own = [event for event in events if checksum_address(event["signer"]) == signer]
        if not own:
            raise ChainError(f"signer {signer} was never registered")
        return own[-1]

    async def quote(self, signer: str) -> DcapQuote:
        """The evidence that a signer stands on, with the certificates that contracts published."""
        event = await self.registration(signer)
        to_block = int(await self._chain.call("eth_blockNumber"), 16)
        verifier, collateral = self._at["DcapVerifier"], self._at["IntelCollateral"]
        found = await read_machine_certificates(
            self._chain, verifier, event["hwId"], to_block=to_block
        )
        certificate, ca_id = found[0]
        ca = await read_authority(self._chain, collateral, ca_id, to_block=to_block)
        if ca is None:
            raise ChainError(f"the collateral has no CA 0x{ca_id.hex()}")
        pck, issuer = parse_certificate(certificate), parse_certificate(ca)
        return parse_evidence(event["evidence"], pck=pck, ca=issuer)

    async def bring_collateral(self, signer: str) -> tuple[Document, ...]:
        """Bring whatever the chain lacks of what the vendor says of a signer's machine."""
        platform = platform_of(await self.quote(signer))
        documents = await self._documents(platform)
        contract = EvmCollateral(self._chain, self._at["IntelCollateral"])
        block = await self._chain.call("eth_getBlockByNumber", "latest", False)
        now = int(block["timestamp"], 16)
        due = plan(documents, await look(contract, documents, now=now), until=now)
        await bring(contract, self.account, due)
        return due

    async def recheck(self, signer: str, *, number: int) -> tuple[str, dict[str, Any]]:
        """Have a signer's evidence appraised again, by the vendor's documents of a number.

        Returns:
            The registry's event, and its fields.

        Raises:
            CallReverted: Neither accepted nor refused for good; says why.
        """
        event, quote = await self.registration(signer), await self.quote(signer)
        documents = await self._documents(platform_of(quote))
        contents = [document.content for document in documents]
        info = next(c for c in contents if isinstance(c, TcbInfo) and c.number == number)
        identity = next(c for c in contents if isinstance(c, QeIdentity) and c.number == number)
        numbers = next(c for c in contents if isinstance(c, EvaluationNumbers))
        header = await self._chain.call("eth_getBlockByNumber", hex(event["refBlock"]), False)
        request = (
            event["verifierId"],
            signer,
            keccak256(event["hpkePublicKey"]),
            bytes.fromhex(header["hash"][2:]),
            event["evidence"],
            hints_of_refusal(quote, info, identity, numbers),
            b"",
        )
        receipt = await self._send("recheck", "AttestationRegistry", "recheck", request)
        return self._event_in(receipt, "AttestationRegistry")

    async def evict(self, signer: str) -> dict[str, Any]:
        """Have the verifier drop a signer's machine, as its CA revoked the certificate.

        Raises:
            CallReverted: It did not, or the machine is not kept.
        """
        arguments = await self._certificate(signer)
        receipt = await self._send("evict_pck", "DcapVerifier", "evictPck", *arguments)
        return self._event_in(receipt, "DcapVerifier")[1]

    async def endorse(self, signer: str) -> None:
        """Have the verifier keep a signer's machine.

        Raises:
            CallReverted: The certificate is not good, or revoked.
        """
        arguments = await self._certificate(signer)
        await self._send("cache_pck", "DcapVerifier", "cachePck", *arguments)

    async def _certificate(self, signer: str) -> tuple[bytes, bytes, bytes]:
        """The machine's certificate, its CA, and the CA's present list."""
        quote = await self.quote(signer)
        lists = await self._events("IntelCollateral", "PckCrlUpdated")
        serials = next(e["serials"] for e in reversed(lists) if e["caId"] == quote.ca.id)
        return quote.pck.der, quote.ca.id, serials

    async def rebuild(self) -> Receipt:
        """Bring the hub's table up to date.

        Raises:
            CallReverted: There is nothing to do.
        """
        return await self._send("rebuild", "FeedHub", "rebuild")

    async def reports(self) -> list[int]:
        """When the reports that the hub has accepted were observed, seconds since the epoch."""
        return [each["observedAt"] for each in await self._events("FeedHub", "ReportAccepted")]

    async def _documents(self, platform: Platform) -> tuple[Document, ...]:
        def all_numbers(table: EvaluationNumbers | None, standard: int) -> Sequence[int]:
            return [] if table is None else [entry.number for entry in table.numbers]

        return await self._service.fetch(platform, all_numbers)

    async def _send(self, purpose: str, contract: str, function: str, *arguments: Any) -> Receipt:
        data = load_abi(contract).encode_call(function, *arguments)
        return await self.account.send(Call(purpose, self._at[contract], data))

    async def _events(self, contract: str, name: str) -> list[dict[str, Any]]:
        """All events of a name, in order."""
        abi = load_abi(contract)
        topic = next(topic for topic, item in abi.events.items() if item.name == name)
        wanted = {"address": self._at[contract], "topics": ["0x" + topic.hex()]}
        logs = await self._chain.call("eth_getLogs", {**wanted, "fromBlock": "0x0"})
        found = [parse_log(raw) for raw in logs]
        return [abi.decode_event(log.topics, log.data)[1] for log in found]

    def _event_in(self, receipt: Receipt, contract: str) -> tuple[str, dict[str, Any]]:
        """The contract's only event in a receipt."""
        [log] = [log for log in receipt.logs if log.address.lower() == self._at[contract].lower()]
        return load_abi(contract).decode_event(log.topics, log.data)
