"""What every attester is."""

from typing import Protocol

from enclave.domain.evidence import TeeKind


class Attester(Protocol):
    """Asks the platform to vouch for this enclave.

    An attester is picked by name in the composition root, never detected.
    """

    @property
    def name(self) -> str:
        """Name it is picked by, such as `simulated`."""
        ...

    @property
    def tee(self) -> TeeKind:
        """Platform of the evidence."""
        ...

    async def attest(self, report_data: bytes) -> bytes:
        """Evidence over 64 bytes of the enclave's choice, in the vendor's format, verbatim.

        Args:
            report_data: Exactly 64 bytes.

        Raises:
            AttestationError: The platform refused, answered out of format, or not in time.
        """
        ...
