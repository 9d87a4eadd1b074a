"""`IntelCollateral` on an EVM chain: what it keeps, and the calls that bring documents."""

from dataclasses import dataclass

from eth_abi.abi import encode

from oracle.chain.abi_codec import load_abi
from oracle.chain.base import Call
from oracle.chain.reading import Requests, read_contract


@dataclass(frozen=True, slots=True)
class Kept:
    """What the contract keeps of a document; all zero where it keeps none.

    Attributes:
        digest: Commitment to its tables, 16 bytes; empty for a certificate.
        number: TCB evaluation data number, or CRL number.
        issued_at: Seconds since the epoch; 0 for a certificate.
        valid_until: Last moment at which it is usable, seconds since the epoch.
        epoch: Revocation epoch in which it was verified.
    """

    digest: bytes
    number: int
    issued_at: int
    valid_until: int
    epoch: int


NOTHING = Kept(b"", 0, 0, 0, 0)


def encode_endorsements(certificate: bytes, ca_id: bytes, serials: bytes) -> bytes:
    """What `DcapVerifier.addEndorsements` takes.

    Args:
        certificate: The machine's, DER.
        ca_id: Its issuer, an authority of the collateral.
        serials: The issuer's whole list of revoked certificates, 20 bytes each.
    """
    return encode(["bytes", "bytes32", "bytes"], [certificate, ca_id, serials])


class EvmCollateral:
    """One `IntelCollateral`."""

    def __init__(self, rpc: Requests, address: str) -> None:
        """Set up; nothing is asked yet."""
        self._rpc = rpc
        self._contract = (address, load_abi("IntelCollateral"))

    @property
    def address(self) -> str:
        """Of the contract."""
        return self._contract[0]

    async def root_crl(self) -> Kept:
        """The root's list; its epoch is the current one."""
        return await self._kept("rootCrl")

    async def authority(self, authority_id: bytes) -> Kept:
        """A certificate of the root."""
        found = await read_contract(self._rpc, self._contract, "authority", authority_id)
        return Kept(b"", 0, 0, found["validUntil"], found["epoch"])

    async def pck_crl(self, ca_id: bytes) -> Kept:
        """A PCK CA's list."""
        return await self._kept("pckCrl", ca_id)

    async def numbers(self, tee: int) -> Kept:
        """The TCB evaluation data numbers of a TEE."""
        return await self._kept("evaluationNumbers", tee)

    async def tcb_info(self, tee: int, fmspc: bytes, number: int) -> Kept:
        """A TCB info."""
        return await self._kept("tcbInfo", tee, fmspc, number)

    async def qe_identity(self, tee: int, number: int) -> Kept:
        """The identity of a TEE's quoting enclave."""
        return await self._kept("qeIdentity", tee, number)

    async def is_revoked(self, serial: int) -> bool:
        """Whether the root's list has named a serial number, now or before."""
        found = await read_contract(self._rpc, self._contract, "isRevoked", serial)
        return bool(found)

    def bring_root_crl(self, crl: bytes) -> Call:
        """Bring the root's list, DER."""
        return self._call("root_crl", "updateRootCrl", crl)

    def bring_authority(self, certificate: bytes) -> Call:
        """Bring a certificate of the root, DER."""
        return self._call("authority", "cacheAuthority", certificate)

    def bring_pck_crl(self, crl: bytes, ca_id: bytes) -> Call:
        """Bring a PCK CA's list, DER."""
        return self._call("pck_crl", "updatePckCrl", crl, ca_id)

    def bring_numbers(self, text: bytes, signature: bytes, signer_id: bytes) -> Call:
        """Bring TCB evaluation data numbers: exactly the signed bytes, r and s."""
        return self._signed("numbers", "updateEvaluationNumbers", text, signature, signer_id)

    def bring_tcb_info(self, text: bytes, signature: bytes, signer_id: bytes) -> Call:
        """Bring a TCB info: exactly the signed bytes, r and s."""
        return self._signed("tcb_info", "updateTcbInfo", text, signature, signer_id)

    def bring_qe_identity(self, text: bytes, signature: bytes, signer_id: bytes) -> Call:
        """Bring a quoting enclave's identity: exactly the signed bytes, r and s."""
        return self._signed("qe_identity", "updateQeIdentity", text, signature, signer_id)

    def _signed(
        self, what: str, function: str, text: bytes, signature: bytes, signer_id: bytes
    ) -> Call:
        return self._call(what, function, text, signature[:32], signature[32:], signer_id)

    def _call(self, what: str, function: str, *arguments: object) -> Call:
        address, abi = self._contract
        return Call(f"bring_{what}", address, abi.encode_call(function, *arguments))

    async def _kept(self, name: str, *arguments: object) -> Kept:
        found = await read_contract(self._rpc, self._contract, name, *arguments)
        return Kept(
            digest=found["digest"],
            number=found["number"],
            issued_at=found["issuedAt"],
            valid_until=found["validUntil"],
            epoch=found["epoch"],
        )
