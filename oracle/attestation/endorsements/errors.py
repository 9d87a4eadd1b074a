"""What can go wrong besides a document that is not what it claims to be."""

from enclave.domain.errors import OracleError


class CollateralUnavailable(OracleError):
    """A service or a folder does not have what was asked for, or does not answer."""

    retryable = True
