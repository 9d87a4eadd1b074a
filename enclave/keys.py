"""Makes and holds the enclave's keys; nothing else touches their bytes.

One secp256k1 signing key and one X25519 key for each start, in memory only. No promise to wipe
memory is made: the TEE protects it, and the process makes no core dump.
"""

from collections.abc import Callable
from typing import Any

from coincurve._libsecp256k1 import (  # type: ignore[import-not-found]  # C without stubs
    ffi,
    lib,
)
from coincurve.context import GLOBAL_CONTEXT
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from enclave.domain.errors import ConfigError, RequestRefused
from enclave.domain.report import keccak256

DIGEST_SIZE = 32
SECRET_SIZE = 32
SIGNATURE_SIZE = 64
#: `SECP256K1_EC_UNCOMPRESSED` of `secp256k1.h`: 0x04 | x | y.
_UNCOMPRESSED = 2
_PUBLIC_KEY_SIZE = 65
#: Half of the group's order: the largest s that is no second form of another signature.
_MAX_S = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
#: Draws until a secret lies in the group's order; one draw fails with probability 2**-127.
_MAX_DRAWS = 3
#: secret 1 signs SHA-256("Satoshi Nakamoto") by RFC 6979 with SHA-256 to this r | s, the vector
#: that the libraries of the Bitcoin ecosystem share.
_KNOWN_DIGEST = bytes.fromhex("a0dc65ffca799873cbea0ac274015b9526505daaaed385155425f7337704883e")
_KNOWN_SIGNATURE = bytes.fromhex(
    "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
    "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"
)


class SigningFault(Exception):
    """The machine computed wrongly. Not an `OracleError`: the process must end."""


def libsecp256k1() -> Any:
    """The compiled library behind coincurve, checked.

    Raises:
        ConfigError: The backend is something else, or signs otherwise than RFC 6979.
    """
    check_binding(lib)
    check_known_answer(lib)
    return lib


def check_binding(library: Any) -> None:
    """It is the C library by cffi, not an implementation whose time depends on the key.

    Raises:
        ConfigError: It is something else.
    """
    kind = type(library).__module__
    if kind != "_cffi_backend" or not hasattr(library, "secp256k1_ecdsa_sign_recoverable"):
        raise ConfigError(f"backend is {kind}, wanted libsecp256k1 by cffi")


def check_known_answer(library: Any) -> None:
    """Self-test of the library, and one known answer.

    Raises:
        ConfigError: It signs otherwise than RFC 6979.
    """
    library.secp256k1_selftest()
    known = Keys(lambda size: (1).to_bytes(size, "big"), library).sign_digest(_KNOWN_DIGEST)
    # The top bit of s is the parity.
    if known[:32] != _KNOWN_SIGNATURE[:32] or known[33:] != _KNOWN_SIGNATURE[33:]:
        raise ConfigError("libsecp256k1 does not give the known answer")


class Keys:
    """The two keys of one start. Cannot be copied, pickled or printed.

    Args:
        entropy: Returns that many random bytes, such as `os.urandom`.
        library: From `libsecp256k1()`.

    Attributes:
        address: Ethereum address of the signing key, 20 bytes.
        hpke_public_key: X25519 public key, 32 bytes.

    Raises:
        ConfigError: The entropy source gives no usable secret.
    """

    __slots__ = (
        "_context",
        "_hpke",
        "_library",
        "_plain",
        "_public",
        "_recovery",
        "_secret",
        "_signature",
        "_text",
        "address",
        "hpke_public_key",
    )

    def __init__(self, entropy: Callable[[int], bytes], library: Any) -> None:
        new = ffi.new
        self._library = library
        self._context = GLOBAL_CONTEXT.ctx
        self._secret = new("unsigned char[32]")
        self._public = new("secp256k1_pubkey *")
        # Scratch memory of sign_digest, made once: allocation would be a tenth of its time.
        self._signature = new("secp256k1_ecdsa_recoverable_signature *")
        self._plain = new("secp256k1_ecdsa_signature *")
        self._text = new("unsigned char[64]")
        self._recovery = new("int *")
        self._draw_secret(entropy)
        self._hpke = X25519PrivateKey.from_private_bytes(entropy(SECRET_SIZE))
        self.hpke_public_key = self._hpke.public_key().public_bytes_raw()
        self.address = self._address_of(self._public)

    def __repr__(self) -> str:
        return f"Keys(address=0x{self.address.hex()})"

    def __reduce_ex__(self, protocol: object) -> str:
        raise TypeError("keys never leave their process")

    def _draw_secret(self, entropy: Callable[[int], bytes]) -> None:
        for _ in range(_MAX_DRAWS):
            drawn = entropy(SECRET_SIZE)
            if len(drawn) == SECRET_SIZE and self._library.secp256k1_ec_pubkey_create(
                self._context, self._public, drawn
            ):
                ffi.memmove(self._secret, drawn, SECRET_SIZE)
                return
        raise ConfigError(f"no usable secret in {_MAX_DRAWS} draws: the entropy source is broken")

    def recover_address(self, digest: bytes, signature: bytes) -> bytes:
        """Whose signature this is; uses none of the keys held here.

        Establishes only that the holder of that address's key signed the digest; whether it is
        the address wanted, the caller compares.

        Args:
            digest: 32 bytes.
            signature: EIP-2098, 64 bytes.

        Returns:
            Ethereum address, 20 bytes.

        Raises:
            RequestRefused: Another length, a high s, or no point of the curve.
        """
        if len(digest) != DIGEST_SIZE or len(signature) != SIGNATURE_SIZE:
            raise RequestRefused(
                f"signature of {len(signature)} bytes over {len(digest)},"
                f" wanted {SIGNATURE_SIZE} over {DIGEST_SIZE}"
            )
        parity, plain = signature[32] >> 7, bytearray(signature)
        plain[32] &= 0x7F
        if int.from_bytes(plain[32:], "big") > _MAX_S:
            raise RequestRefused("signature has a high s, wanted the low one")
        library, parsed = self._library, ffi.new("secp256k1_ecdsa_recoverable_signature *")
        public = ffi.new("secp256k1_pubkey *")
        if not library.secp256k1_ecdsa_recoverable_signature_parse_compact(
            self._context, parsed, bytes(plain), parity
        ) or not library.secp256k1_ecdsa_recover(self._context, public, parsed, digest):
            raise RequestRefused("signature recovers to no key")
        return self._address_of(public)

    def _address_of(self, public: Any) -> bytes:
        text = ffi.new("unsigned char[65]")
        size = ffi.new("size_t *", _PUBLIC_KEY_SIZE)
        self._library.secp256k1_ec_pubkey_serialize(
            self._context, text, size, public, _UNCOMPRESSED
        )
        return keccak256(bytes(text)[1:])[-20:]

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign 32 bytes and verify the signature before it leaves: a fault must not leak the key.

        Returns:
            64 bytes by EIP-2098, `r | (yParity << 255 | s)`, low s, nonce by RFC 6979.

        Raises:
            SigningFault: The signature does not verify; the process must end.
        """
        # The library reads 32 bytes whatever it is given.
        if len(digest) != DIGEST_SIZE:
            raise SigningFault(f"digest of {len(digest)} bytes, wanted {DIGEST_SIZE}")
        library, context, null = self._library, self._context, ffi.NULL
        # 1. Sign.
        signed = library.secp256k1_ecdsa_sign_recoverable(
            context, self._signature, digest, self._secret, null, null
        )
        # 2. Verify with the public key; the library refuses a high s.
        library.secp256k1_ecdsa_recoverable_signature_convert(context, self._plain, self._signature)
        if not signed or not library.secp256k1_ecdsa_verify(
            context, self._plain, digest, self._public
        ):
            raise SigningFault("the signature does not verify")
        # 3. Encode.
        library.secp256k1_ecdsa_recoverable_signature_serialize_compact(
            context, self._text, self._recovery, self._signature
        )
        return self._compact()

    def _compact(self) -> bytes:
        """EIP-2098 form of the signature in the scratch memory."""
        parity = self._recovery[0]
        if parity not in (0, 1):
            raise SigningFault(f"recovery id is {parity}, wanted 0 or 1")
        text = self._text
        if parity:
            text[32] |= 0x80
        return bytes(text)
