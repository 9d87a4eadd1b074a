import pytest

from enclave.domain.errors import MalformedEvidence
from oracle.attestation.codecs.reader import Reader


def test_integers_are_little_endian_and_the_position_is_that_of_the_file() -> None:
    reader = Reader(b"\1\2\0\3\0\0\0ab", offset=100)
    assert (reader.u8("a"), reader.u16("b"), reader.u32("c")) == (1, 2, 3)
    assert (reader.position, reader.left) == (107, 2)
    assert reader.rest() == b"ab"
    reader.end("it")


def test_what_is_missing_is_refused() -> None:
    with pytest.raises(MalformedEvidence, match="thing ends at 3, wanted 4"):
        Reader(b"abc").u32("thing")


def test_what_is_left_over_is_refused() -> None:
    with pytest.raises(MalformedEvidence, match="it has 1 bytes left over"):
        Reader(b"a").end("it")
