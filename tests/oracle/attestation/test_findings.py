"""A refusal says which step failed, what was seen and wanted, and how to mend it."""

import pytest

from enclave.domain.errors import (
    AppraisalFailed,
    AttestationError,
    EndorsementExpired,
    MalformedEvidence,
    SignatureInvalid,
)
from oracle.attestation.findings import (
    Expired,
    Malformed,
    Refusal,
    Remedy,
    Step,
    Unacceptable,
    Unsigned,
    performing,
)

FIRST = Step(1, "chip.layout", "The report has its fields in their places.")
SECOND = Step(2, "chip.chain", "The chip's key is the vendor's.")


def _refusal(kind: type[Refusal] = Unsigned) -> Refusal:
    return kind("a", "b", subject="certificate CN=chip", remedy=Remedy.FULL_CHAIN)


@pytest.mark.parametrize(
    ("kind", "plain"),
    [
        (Malformed, MalformedEvidence),
        (Unsigned, SignatureInvalid),
        (Expired, EndorsementExpired),
        (Unacceptable, AppraisalFailed),
    ],
)
def test_each_kind_is_the_plain_error_that_its_caller_expects(
    kind: type[Refusal], plain: type[AttestationError]
) -> None:
    assert issubclass(kind, plain)
    assert issubclass(kind, Refusal)


def test_a_refusal_reads_in_one_line_with_and_without_its_step() -> None:
    refusal = Unsigned(23, 24, subject="SNP", remedy=Remedy.UPDATE_FIRMWARE)
    assert str(refusal) == "SNP: seen 23, wanted 24"
    assert (refusal.seen, refusal.wanted, refusal.step) == ("23", "24", None)
    refusal.step = SECOND
    assert str(refusal) == "step 2 chip.chain: SNP: seen 23, wanted 24"


def test_a_refusal_without_a_step_gets_the_one_that_is_performed() -> None:
    refusal = _refusal()
    with pytest.raises(Unsigned) as caught, performing(SECOND, subject="chain"):
        raise refusal
    assert caught.value is refusal
    assert refusal.step == SECOND
    assert refusal.subject == "certificate CN=chip"


def test_the_innermost_step_stays() -> None:
    with (
        pytest.raises(Unsigned) as caught,
        performing(FIRST, subject="all"),
        performing(SECOND, subject="chain"),
    ):
        raise _refusal()
    assert (caught.value.step, caught.value.within) == (SECOND, None)


def test_a_step_of_a_parts_verifier_stands_within_one_of_the_whole() -> None:
    whole = Step(4, "cloud.hardware", "The hardware is genuine.")
    with (
        pytest.raises(Unsigned) as caught,
        performing(whole, subject="hardware"),
        performing(SECOND, subject="chain"),
    ):
        raise Unsigned(23, 24, subject="SNP", remedy=Remedy.UPDATE_FIRMWARE)
    assert (caught.value.step, caught.value.within) == (SECOND, whole)
    text = "step 4 cloud.hardware: step 2 chip.chain: SNP: seen 23, wanted 24"
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("plain", "kind", "remedy"),
    [
        (MalformedEvidence, Malformed, Remedy.NEW_EVIDENCE),
        (SignatureInvalid, Unsigned, Remedy.GENUINE_HARDWARE),
        (EndorsementExpired, Expired, Remedy.REFRESH_COLLATERAL),
        (AppraisalFailed, Unacceptable, Remedy.CHANGE_POLICY),
    ],
)
def test_a_plain_error_becomes_a_refusal_of_its_kind(
    plain: type[AttestationError], kind: type[Refusal], remedy: Remedy
) -> None:
    with pytest.raises(kind) as caught, performing(FIRST, subject="report"):
        raise plain("too short")
    refusal = caught.value
    assert (refusal.seen, refusal.wanted) == ("too short", FIRST.proves)
    assert (refusal.subject, refusal.remedy, refusal.step) == ("report", remedy, FIRST)
    assert isinstance(refusal.__cause__, plain)


def test_the_remedy_that_is_given_goes_before_the_usual_one() -> None:
    with (
        pytest.raises(Malformed) as caught,
        performing(FIRST, subject="report", remedy=Remedy.RIGHT_FORMAT),
    ):
        raise MalformedEvidence("too short")
    assert caught.value.remedy is Remedy.RIGHT_FORMAT


def test_an_error_of_no_kind_and_a_good_step_pass_through() -> None:
    error = AttestationError("of no kind")
    with pytest.raises(AttestationError) as caught, performing(FIRST, subject="report"):
        raise error
    assert caught.value is error
    with performing(FIRST, subject="report"):
        pass


def test_remedies_are_sentences() -> None:
    assert all(remedy.value[0].isupper() and remedy.value.endswith(".") for remedy in Remedy)
