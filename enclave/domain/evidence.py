"""Evidence vocabulary: report data, image ids, the emulated measurement.

Report data (64 bytes) is `signer 20 | refBlock u64 | H 32 | layout version u32`, big-endian, with
`H = keccak256(abi.encode(DOMAIN, chainId, registry, signer, blockhash(refBlock), extHash))` and
`extHash = keccak256(abi.encode(operator, keccak256(hpkePublicKey)))`. Shared with
`contracts/src/libraries/RegistrationCodec.sol`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from enclave.domain.errors import MalformedEvidence, ProtocolError
from enclave.domain.report import domain_separator, keccak256

REPORT_DATA_SIZE = 64
LAYOUT_VERSION = 1
REGISTRATION_DOMAIN = keccak256(b"confidential-oracle.registration.v1")
REGISTRATION_TYPE_HASH = keccak256(
    b"Registration(address operator,bytes32 hpkeKeyHash,uint64 refBlock,bytes32 refBlockHash)"
)
#: Report bodies, and what of them names the image. SGX: all but CPUSVN and report data. TDX:
#: TDATTRIBUTES to RTMR3; TD 1.5 adds TEE_TCB_SVN2, which does not name it, and MRSERVICETD, which
#: does. Intel SGX ECDSA QuoteLib reference, table 5; Intel TDX DCAP quoting library, appendix 3.
#: Shared with `contracts/src/libraries/DcapQuote.sol`.
SGX_BODY_SIZE = 384
SGX_REPORT_DATA = slice(320, 384)
TDX_BODY_SIZE = 584
TD15_BODY_SIZE = 648
TDX_REPORT_DATA = slice(520, 584)


class TeeKind(IntEnum):
    """Trusted execution environments; the numbers are those of the contracts."""

    SGX = 1
    TDX = 2
    SNP = 3
    NITRO = 4
    CCA = 5
    AZURE = 6
    GCP = 7
    TRUSTZONE = 8


_IMAGE = {
    (TeeKind.SGX, SGX_BODY_SIZE): (slice(16, 320),),
    (TeeKind.TDX, TDX_BODY_SIZE): (slice(120, 520),),
    (TeeKind.TDX, TD15_BODY_SIZE): (slice(120, 520), slice(600, 648)),
}


class Tier(IntEnum):
    """How far the chain itself checked the evidence; the numbers are those of the contracts."""

    DIRECT = 1
    ENDORSED = 2
    TOKEN = 3
    DEV = 4


@dataclass(frozen=True, slots=True)
class RegistrationContext:
    """What a registration is bound to.

    Attributes:
        chain_id: EIP-155 chain id.
        registry: Address of the registry, 20 bytes.
        operator: Address that may seat the signer, 20 bytes.
        ref_block: Height of a recent block.
        block_hash: Its hash, 32 bytes, not zero.
    """

    chain_id: int
    registry: bytes
    operator: bytes
    ref_block: int
    block_hash: bytes

    def __post_init__(self) -> None:
        """Refuse wrong lengths and ranges."""
        if len(self.registry) != 20 or len(self.operator) != 20:
            raise ProtocolError("registry and operator are addresses of 20 bytes")
        if len(self.block_hash) != 32 or not any(self.block_hash):
            raise ProtocolError("block hash is not 32 bytes or is zero")
        if not 0 < self.chain_id < 2**64 or not 0 <= self.ref_block < 2**64:
            raise ProtocolError("chain id or reference block is out of range")


def report_data(context: RegistrationContext, *, signer: bytes, hpke_public_key: bytes) -> bytes:
    """The 64 bytes that the platform signs over.

    Args:
        context: Chain, registry, operator and reference block.
        signer: Address of the enclave's signing key, 20 bytes.
        hpke_public_key: X25519 public key, 32 bytes.
    """
    binding = keccak256(
        REGISTRATION_DOMAIN,
        context.chain_id.to_bytes(32, "big"),
        _word(context.registry),
        _word(signer),
        context.block_hash,
        keccak256(_word(context.operator), keccak256(hpke_public_key)),
    )
    data = b"".join(
        (
            signer,
            context.ref_block.to_bytes(8, "big"),
            binding,
            LAYOUT_VERSION.to_bytes(4, "big"),
        )
    )
    if len(data) != REPORT_DATA_SIZE or len(hpke_public_key) != 32:
        raise ProtocolError("signer is not 20 bytes or the HPKE key is not 32")
    return data


def registration_digest(context: RegistrationContext, *, hpke_public_key: bytes) -> bytes:
    """EIP-712 digest that the signer signs to accept this registration, 32 bytes."""
    struct_hash = keccak256(
        REGISTRATION_TYPE_HASH,
        _word(context.operator),
        keccak256(hpke_public_key),
        context.ref_block.to_bytes(32, "big"),
        context.block_hash,
    )
    return keccak256(b"\x19\x01", domain_separator(context.chain_id, context.registry), struct_hash)


def image_id(tee: TeeKind, body: bytes) -> bytes:
    """Identity of the measured image, 32 bytes: what `ImagePolicy` approves.

    Args:
        tee: `SGX` or `TDX`.
        body: Report body: SGX (384 bytes), TD 1.0 (584) or TD 1.5 (648).

    Raises:
        MalformedEvidence: Another platform or length.
    """
    sizes = [str(size) for kind, size in _IMAGE if kind is tee]
    if not sizes:
        raise MalformedEvidence(f"no image id is defined for {tee.name}")
    if (tee, len(body)) not in _IMAGE:
        wanted = " or ".join(sizes)
        raise MalformedEvidence(f"{tee.name} report body of {len(body)} bytes, wanted {wanted}")
    return keccak256(bytes((tee,)), *(body[part] for part in _IMAGE[tee, len(body)]))


def emulated_measurement(files: Mapping[str, bytes]) -> bytes:
    """Measurement that emulated hardware reports, 48 bytes.

    SHA-384 over the files in name order, each as `length(name) u32 | name | SHA-384(content)`.
    It establishes nothing about a machine: emulated silicon signs whatever it is told.

    Args:
        files: POSIX path relative to `enclave/` -> content; an additional CA is `extra-ca`.
    """
    digest = hashlib.sha384()
    for name in sorted(files):
        encoded = name.encode()
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
        digest.update(hashlib.sha384(files[name]).digest())
    return digest.digest()


def _word(address: bytes) -> bytes:
    """ABI encoding of an address."""
    return address.rjust(32, b"\0")
