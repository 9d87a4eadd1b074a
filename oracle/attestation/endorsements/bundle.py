"""What comes with one piece of evidence: whatever the host brings, trusted only once checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Endorsements:
    """Everything besides the evidence itself.

    Attributes:
        certificates: DER, in any order: leaves, intermediates, perhaps roots.
        crls: Revocation lists, DER.
        intel: Fields of `QuoteCollateralV3` as Intel's library names them (`tcb_info`,
            `tcb_info_signature`, `qe_identity`, `root_ca_crl`, `pck_crl`, … ); empty if none.
        jwks: Keys of a token's issuer: a JSON Web Key Set, raw; None if none.
    """

    certificates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    intel: Mapping[str, str] = field(default_factory=dict)
    jwks: bytes | None = None
