"""The wire between host and enclave: framed deterministic CBOR with a schema for everything.

A frame is a 4-byte big-endian length and one deterministic CBOR map of at most 1 MiB (RFC 8949,
section 4.2.3, length-first key order). Requests are `{"id", "op", "args"}`; responses
`{"id", "ok"}` or `{"id", "error"}`. The dataclasses below are the schema: exact keys, exact
types, no extras.
"""

import io
import types
import typing
from collections.abc import Hashable
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

import cbor2

from enclave.domain.errors import ProtocolError
from enclave.domain.observation import FeedFailure, SourceFailure

PROTOCOL = 2
MAX_FRAME = 1_048_576
LENGTH_BYTES = 4
MAX_FEEDS = 1_024
MAX_DEPTH = 8
_MAX_UINT = 2**64 - 1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hello:
    """First request of a connection; both sides must speak the same protocol."""

    protocol: int


@dataclass(frozen=True, slots=True)
class HelloResult:
    """Who answers.

    Attributes:
        protocol: Always `PROTOCOL`.
        version: Version of the enclave's code.
        signer: Address of the signing key, 20 bytes.
        hpke_public_key: X25519 public key, 32 bytes.
        tee: `TeeKind` number.
        attester: Name of the attester, such as `simulated`.
        ca_sha256: SHA-256 of the measured CA bundle, 32 bytes.
        adapters: Versioned source adapters, sorted.
    """

    protocol: int
    version: str
    signer: bytes
    hpke_public_key: bytes
    tee: int
    attester: str
    ca_sha256: bytes
    adapters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attest:
    """Ask for evidence bound to one chain, registry, operator and recent block."""

    chain_id: int
    registry: bytes
    operator: bytes
    ref_block: int
    block_hash: bytes


@dataclass(frozen=True, slots=True)
class AttestResult:
    """Evidence in the vendor's format, verbatim, and the signer's consent.

    Attributes:
        tee: `TeeKind` number.
        evidence: The vendor's bytes, with certification data.
        report_data: The 64 bytes asked for; the verifier recomputes them.
        signature: EIP-2098 signature of `registration_digest`, 64 bytes.
    """

    tee: int
    evidence: bytes
    report_data: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Load:
    """Replace the loaded feed definitions; canonical bytes, each hashed inside."""

    definitions: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Feed ids in the order of the request, 32 bytes each."""

    feed_ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class RunRound:
    """Fetch and aggregate these loaded feeds (and what they convert by)."""

    feed_ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class AnswerView:
    """An answer as the host sees it before it is signed; see `observation.Answer`."""

    feed_id: bytes
    value: int
    decimals: int
    dispersion: int
    sources_used: int
    sources_asked: int
    failures: tuple[SourceFailure, ...]


@dataclass(frozen=True, slots=True)
class FailureView:
    """A feed without an answer, and its sources' failures."""

    failure: FeedFailure
    failures: tuple[SourceFailure, ...]


@dataclass(frozen=True, slots=True)
class RoundResult:
    """What the round made; `observed_at` is 0 when there is no answer at all."""

    round_id: int
    observed_at: int
    answers: tuple[AnswerView, ...]
    failed: tuple[FailureView, ...]


@dataclass(frozen=True, slots=True)
class Sign:
    """Sign answers of the last round for one hub.

    Attributes:
        round_id: Of the last `RunRound`, at most 10 s old.
        chain_id: EIP-155 chain id of the hub.
        hub: Address of the hub, 20 bytes.
        feed_list: The hub's whole list of feed ids in order; its running hash is signed.
        feed_ids: Which of the round's answers; each of these feeds must have one.
    """

    round_id: int
    chain_id: int
    hub: bytes
    feed_list: tuple[bytes, ...]
    feed_ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SignResult:
    """The signed part of the report and one signature.

    Attributes:
        observed_at: Seconds since the epoch.
        list_root: 32 bytes.
        entries: Packed entries, 14 bytes each.
        signature: EIP-2098, 64 bytes.
    """

    observed_at: int
    list_root: bytes
    entries: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Observe:
    """Say, signed, what the held round answers of one hub's feeds.

    Attributes:
        chain_id: EIP-155 chain id of the hub.
        hub: Address of the hub, 20 bytes.
        feed_list: The hub's whole list of feed ids in order; its running hash is signed.
    """

    chain_id: int
    hub: bytes
    feed_list: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SignedObservation:
    """What one enclave answers of a hub's feeds; see `quorum.observation_digest`. No report.

    Attributes:
        signer: Address of the enclave's signing key, 20 bytes.
        observed_at: Seconds since the epoch, of its held round.
        list_root: 32 bytes.
        entries: Packed entries of its listed answers, 14 bytes each, ascending.
        signature: EIP-2098, 64 bytes.
    """

    signer: bytes
    observed_at: int
    list_root: bytes
    entries: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Cosign:
    """Sign what the observations of several enclaves combine to; see `quorum.combine`.

    Attributes:
        chain_id: EIP-155 chain id of the hub.
        hub: Address of the hub, 20 bytes.
        feed_list: The hub's whole list of feed ids in order.
        feed_ids: Which feeds to report, each once.
        quorum: Observations that each of these feeds needs, at least 1.
        observations: At most 64, one of each signer.
    """

    chain_id: int
    hub: bytes
    feed_list: tuple[bytes, ...]
    feed_ids: tuple[bytes, ...]
    quorum: int
    observations: tuple[SignedObservation, ...]


@dataclass(frozen=True, slots=True)
class CosignResult:
    """One signature over the combined report, or the feeds for which it was refused.

    Attributes:
        signed: One result, or none if a feed is refused.
        refused: Feeds that this enclave does not sign; the rest may be asked for again.
    """

    signed: tuple[SignResult, ...]
    refused: tuple[FeedFailure, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """Ask how the enclave is."""


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """How one host of sources (`:port` unless 443) is doing; counts are since start.

    Attributes:
        state: `closed` is asked, `open` is left alone, `probing` may be or is asked once.
        requests: Made.
        failures: Without a usable reply; a stalled request and its second one are one.
        refused: Not made, because it is left alone or a budget is spent.
        hedges: Second requests.
    """

    host: str
    state: str
    requests: int
    failures: int
    refused: int
    hedges: int


@dataclass(frozen=True, slots=True)
class HealthResult:
    """Counters since start; `uptime_s` by the monotonic clock, `sources` by host."""

    uptime_s: int
    rounds: int
    reports: int
    feeds: int
    connections: int
    sources: tuple[SourceHealth, ...]


@dataclass(frozen=True, slots=True)
class Shutdown:
    """End the process after the answer."""


@dataclass(frozen=True, slots=True)
class Done:
    """An answer without content."""


@dataclass(frozen=True, slots=True)
class ErrorView:
    """A refusal: the error's class name, its public message, whether to retry unchanged."""

    type: str
    message: str
    retry: bool


#: Operation name -> request and result shape.
OPERATIONS: dict[str, tuple[type[Any], type[Any]]] = {
    "hello": (Hello, HelloResult),
    "attest": (Attest, AttestResult),
    "load": (Load, LoadResult),
    "round": (RunRound, RoundResult),
    "sign": (Sign, SignResult),
    "observe": (Observe, SignedObservation),
    "cosign": (Cosign, CosignResult),
    "health": (Health, HealthResult),
    "shutdown": (Shutdown, Done),
}


def encode_frame(value: dict[str, Any]) -> bytes:
    """Frame one map.

    Raises:
        ProtocolError: The frame would be larger than `MAX_FRAME`.
    """
    body = bytes(cbor2.dumps(value, canonical=True))
    if len(body) > MAX_FRAME:
        raise ProtocolError(f"frame of {len(body)} bytes, wanted at most {MAX_FRAME}")
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def frame_length(prefix: bytes) -> int:
    """Length of the body that follows a 4-byte prefix.

    Raises:
        ProtocolError: Empty or larger than `MAX_FRAME`.
    """
    length = int.from_bytes(prefix, "big")
    if not 1 <= length <= MAX_FRAME:
        raise ProtocolError(f"frame of {length} bytes, wanted 1..{MAX_FRAME}")
    return length


def decode_body(body: bytes) -> dict[str, Any]:
    """Read the map of one frame.

    Raises:
        ProtocolError: Not one deterministic CBOR map of plain types, or nested too deep.
    """
    try:
        value = cbor2.CBORDecoder(io.BytesIO(body), max_depth=MAX_DEPTH).decode()
        same = cbor2.dumps(value, canonical=True) == body
    except (cbor2.CBORError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise ProtocolError("frame is not CBOR") from error
    if not same or not isinstance(value, dict) or not all(type(key) is str for key in value):
        raise ProtocolError("frame is not one deterministic CBOR map with text keys")
    return value


def to_map(value: Any) -> dict[str, Any]:
    """A schema dataclass as a map of CBOR types."""
    return {field.name: _to_plain(getattr(value, field.name)) for field in fields(value)}


def from_map(shape: type[T], value: Any) -> T:
    """Read a map as a schema dataclass.

    Raises:
        ProtocolError: Missing or unknown keys, or a value of another type or range.
    """
    hints = _hints(typing.cast(Hashable, shape))
    if not isinstance(value, dict) or value.keys() != hints.keys():
        raise ProtocolError(f"{shape.__name__} has other keys than {sorted(hints)}")
    return shape(**{name: _from_plain(hint, value[name], name) for name, hint in hints.items()})


@cache
def _hints(shape: Hashable) -> dict[str, Any]:
    return typing.get_type_hints(shape)


def _to_plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_map(value)
    if isinstance(value, tuple):
        return [_to_plain(item) for item in value]
    return value


def _from_plain(hint: Any, value: Any, name: str) -> Any:
    if isinstance(hint, types.GenericAlias):
        if not isinstance(value, list) or len(value) > MAX_FEEDS:
            raise ProtocolError(f"{name} is not a list of at most {MAX_FEEDS}")
        item = typing.get_args(hint)[0]
        return tuple(_from_plain(item, entry, name) for entry in value)
    if is_dataclass(hint):
        return from_map(typing.cast(type[Any], hint), value)
    if type(value) is not hint:
        raise ProtocolError(f"{name} is {type(value).__name__}, wanted {hint.__name__}")
    if hint is int and not 0 <= value <= _MAX_UINT:
        raise ProtocolError(f"{name} is out of range")
    return value
