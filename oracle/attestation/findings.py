"""Why evidence is refused: the numbered step, what was seen and wanted, and how to mend it.

A verifier (`tees/`) lists its steps as `Step`s and raises a `Refusal`; a codec below it may raise
one without a step, or a plain `AttestationError`, which `performing` completes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from enclave.domain.errors import (
    AppraisalFailed,
    AttestationError,
    EndorsementExpired,
    MalformedEvidence,
    SignatureInvalid,
)


class Remedy(StrEnum):
    """What the reader of a refusal should do; the value is for people."""

    NEW_EVIDENCE = "Make fresh evidence on the machine and send the whole file, unaltered."
    RIGHT_FORMAT = "Send evidence of a supported format; `oracle attest show FILE` decodes it."
    GENUINE_HARDWARE = (
        "Nothing on this side: evidence that no vendor key has signed proves nothing. Make it on"
        " real hardware of the vendor."
    )
    FULL_CHAIN = "Give every certificate between the signing key and the vendor's root."
    REFRESH_COLLATERAL = (
        "Fetch the vendor's current collateral (certificates, revocation lists, TCB information)"
        " and verify again."
    )
    CHECK_TIME = "Check the verifier's clock, or the moment given with --at."
    REPLACE_MACHINE = (
        "Take the machine out of service: its vendor has revoked its key. Ask the vendor for a new"
        " certificate after a firmware update."
    )
    UPDATE_FIRMWARE = (
        "Update the machine's firmware (BIOS, microcode, security processor) to the level wanted,"
        " restart, and make fresh evidence."
    )
    AWAIT_TCB_RECOVERY = (
        "Wait until the machine's owner has finished the vendor's TCB recovery, or allow the status"
        " or advisory in the policy and answer for it."
    )
    RECONFIGURE_PLATFORM = (
        "Change the platform's setting named here (BIOS or hypervisor), restart, and make fresh"
        " evidence."
    )
    RELAUNCH_GUEST = "Start the guest anew with the setting named here, and make fresh evidence."
    PRODUCTION_MODE = "Start the enclave in production mode: a debugger can read a debug enclave."
    ADD_IMAGE = (
        "If this is the build that you mean to run, add its measurement to the reference values;"
        " if not, deploy the right one."
    )
    OTHER_HARDWARE = (
        "Run on hardware of another product line; allow this one in the policy only if you can"
        " answer for the machine."
    )
    OTHER_PLATFORM = (
        "Send evidence of an accepted platform and format, or accept this one in the policy."
    )
    ALLOW_PLATFORM = "Add this platform to the policy's list, or run on one that is on it."
    FRESH_NONCE = "Ask for evidence with your own nonce or report data, and compare again."
    ALLOW_ISSUER = "Pin this issuer in the policy if you trust it; tokens of others prove nothing."
    PIN_KEY = "Give the attestation key that you know to be this machine's as a trust anchor."
    ASYMMETRIC_KEY = (
        "Provision the device with an asymmetric attestation key: a symmetric one convinces only"
        " those who could have made the evidence themselves."
    )
    CHANGE_POLICY = "Change the policy if you can answer for it."
    REPORT_DISAGREEMENT = (
        "Do not rely on this evidence: two implementations read it differently. Report it to this"
        " project, with the evidence and its collateral."
    )


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered check of a verifier.

    Attributes:
        number: Its place, from 1.
        name: In kebab case, with the verifier's name before a dot: `snp.vcek-chain`.
        proves: What holds once it has passed, one sentence for people.
    """

    number: int
    name: str
    proves: str

    @property
    def verifier(self) -> str:
        """Whose step it is: the name before the dot."""
        return self.name.partition(".")[0]


class Refusal(AttestationError):
    """A check failed. One of the four kinds below is raised, never this.

    Attributes:
        seen: What was found.
        wanted: What would have passed.
        subject: Register, TCB component, certificate, date or field concerned.
        remedy: How to mend it.
        step: The verifier's step; None until `performing` has named it.
        within: Where `step` is of the verifier of a part (the hardware below a virtual TPM), the
            step of the whole's verifier in which that part is verified.
    """

    def __init__(
        self,
        seen: object,
        wanted: object,
        *,
        subject: str,
        remedy: Remedy,
        step: Step | None = None,
    ) -> None:
        super().__init__(seen, wanted)
        self.seen = str(seen)
        self.wanted = str(wanted)
        self.subject = subject
        self.remedy = remedy
        self.step = step
        self.within: Step | None = None

    def __str__(self) -> str:
        """One line."""
        steps = [step for step in (self.within, self.step) if step]
        where = "".join(f"step {step.number} {step.name}: " for step in steps)
        return f"{where}{self.subject}: seen {self.seen}, wanted {self.wanted}"


class Malformed(Refusal, MalformedEvidence):
    """Bytes that are not evidence of the format they claim."""


class Unsigned(Refusal, SignatureInvalid):
    """A signature or a certificate chain does not verify, or a key is revoked."""


class Expired(Refusal, EndorsementExpired):
    """A certificate, list or token is outside its validity window."""


class Unacceptable(Refusal, AppraisalFailed):
    """Genuine evidence of something that is not accepted."""


#: What a codec's plain error becomes.
_KINDS: tuple[tuple[type[AttestationError], type[Refusal], Remedy], ...] = (
    (MalformedEvidence, Malformed, Remedy.NEW_EVIDENCE),
    (SignatureInvalid, Unsigned, Remedy.GENUINE_HARDWARE),
    (EndorsementExpired, Expired, Remedy.REFRESH_COLLATERAL),
    (AppraisalFailed, Unacceptable, Remedy.CHANGE_POLICY),
)


@contextmanager
def performing(step: Step, *, subject: str, remedy: Remedy | None = None) -> Iterator[None]:
    """Name the step in whatever is raised inside; one that has a step already keeps it.

    Args:
        step: The step that the block performs.
        subject: Of a plain error: what it is about.
        remedy: Of a plain error; by its kind unless given.

    Raises:
        Refusal: For every `AttestationError` inside, of its kind.
    """
    try:
        yield
    except Refusal as refusal:
        if refusal.step is None:
            refusal.step = step
        elif refusal.step.verifier != step.verifier:
            refusal.within = step
        raise
    except AttestationError as error:
        for plain, kind, usual in _KINDS:
            if isinstance(error, plain):
                raise kind(
                    error, step.proves, subject=subject, remedy=remedy or usual, step=step
                ) from error
        raise
