"""What nodes say to each other: one deterministic CBOR map a body, of exact shapes."""

from dataclasses import dataclass
from typing import Any, TypeVar

from enclave.domain import wire

#: Largest body of a request or an answer, bytes.
MAX_BODY = 1_048_576
OBSERVE_PATH = "/v1/observe"
COSIGN_PATH = "/v1/cosign"
CONTENT_TYPE = "application/cbor"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ObserveRequest:
    """Ask what the held round says of the hub's feeds; the answer is a `SignedObservation`.

    Attributes:
        chain_id: EIP-155 chain id of the hub.
        hub: Its address, 20 bytes.
    """

    chain_id: int
    hub: bytes


@dataclass(frozen=True, slots=True)
class CosignRequest:
    """Ask for a signature of the report that observations make; the answer is a `CosignResult`.

    Attributes:
        chain_id: EIP-155 chain id of the hub.
        hub: Its address, 20 bytes.
        feed_ids: Which feeds.
        observations: At most one of each seat.
    """

    chain_id: int
    hub: bytes
    feed_ids: tuple[bytes, ...]
    observations: tuple[wire.SignedObservation, ...]


def encode_message(value: Any) -> bytes:
    """The body for a message.

    Raises:
        ProtocolError: It would be larger than `MAX_BODY`.
    """
    return wire.encode_frame(wire.to_map(value))[wire.LENGTH_BYTES :]


def decode_message(shape: type[T], body: bytes) -> T:
    """Read a body.

    Raises:
        ProtocolError: Not one deterministic CBOR map of this shape.
    """
    return wire.from_map(shape, wire.decode_body(body))


def plain_text(text: str) -> str:
    """What another node said, fit for one line of a log: printable ASCII, at most 200 letters."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text[:200])
