"""Certificates of virtual TPMs as Google issues them, and the instance that they name."""

from dataclasses import dataclass
from typing import Any

from cryptography import x509

from oracle.attestation.codecs.gce_instance import INSTANCE
from oracle.devnet.silicon.der import BOOLEAN, integer, sequence, tlv
from tests.fakes.tpm_evidence import ec_key
from tests.fakes.x509_authority import Authority, make_certificate, usage

UTF8 = 0x0C
SIGNS_QUOTES = x509.KeyUsage(True, *(False,) * 8)


def text(value: str) -> bytes:
    return tlv(UTF8, value.encode())


def properties(*elements: bytes) -> bytes:
    """[0] EXPLICIT SEQUENCE of elements, each tagged with its place."""
    tagged = (tlv(0xA0 + place, element) for place, element in enumerate(elements))
    return tlv(0xA0, sequence(*tagged))


def boolean(value: bool) -> bytes:
    return tlv(BOOLEAN, b"\xff" if value else b"\0")


PRODUCTION = properties(integer(0), boolean(True), boolean(True), boolean(False))


def instance(security: bytes = PRODUCTION, *, number: int = 12, identity: int = 2**63) -> bytes:
    """The extension's value."""
    return sequence(
        text("us-central1-a"), integer(number), text("p"), integer(identity), text("i"), security
    )


def named(value: bytes) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    return ((x509.UnrecognizedExtension(INSTANCE, value), False),)


@dataclass(frozen=True)
class VirtualTpms:
    """Root and intermediate as Google's; keys on curves, which are quick to make."""

    root: Authority
    intermediate: Authority

    def certify(self, key: Any, value: bytes | None = None, **changes: Any) -> Authority:
        """An attestation key's certificate; `value` is its extension, empty for none."""
        value = instance() if value is None else value
        return self.intermediate.issue(
            "2456411740904370986",
            **{
                "key": key,
                "is_ca": False,
                "usage": SIGNS_QUOTES,
                "extensions": named(value) if value else (),
                **changes,
            },
        )


def virtual_tpms() -> VirtualTpms:
    signs = usage(certificates=True, lists=True)
    root = make_certificate("EK/AK CA Root", key=ec_key("root"), usage=signs)
    return VirtualTpms(
        root, root.issue("EK/AK CA Intermediate", key=ec_key("intermediate"), usage=signs)
    )
