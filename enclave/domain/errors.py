"""Every error of the project, by what the caller must do."""


class OracleError(Exception):
    """Base of all errors raised on purpose. Messages hold public values only."""

    #: Whether the same call may succeed later without anyone changing anything.
    retryable = False


class ConfigError(OracleError):
    """Stop: the operator must act."""


class ProtocolError(OracleError):
    """The peer broke the wire protocol: close the connection."""


class RequestRefused(OracleError):
    """A well-formed request that cannot be served: ask for something else."""


class SourceError(OracleError):
    """Go on without this source."""


class SourceUnavailable(SourceError):
    """Go on without this source and ask it again next round."""

    retryable = True


class SourceMalformed(SourceError):
    """Go on without this source and alert: asking again unchanged will not help."""


class QuorumNotReached(OracleError):
    """Sign nothing this round."""

    retryable = True


class AttestationError(OracleError):
    """Never retry unchanged."""


class MalformedEvidence(AttestationError):
    """Bytes that are not evidence of the format they claim."""


class SignatureInvalid(AttestationError):
    """A signature or a certificate chain does not verify."""


class EndorsementExpired(AttestationError):
    """A certificate or collateral is outside its validity window."""


class AppraisalFailed(AttestationError):
    """Genuine evidence of something the policy does not accept."""


class ChainError(OracleError):
    """Resubmit or change the endpoint."""

    retryable = True


class TransactionReverted(ChainError):
    """The chain refused the call: never resubmit unchanged."""

    retryable = False
