import pytest

from oracle.devnet.silicon import der


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, "0400"),
        (0x7F, "047f"),
        (0x80, "048180"),
        (0xFF, "0481ff"),
        (0x100, "04820100"),
        (0xFFFF, "0482ffff"),
    ],
)
def test_lengths_are_definite_and_shortest(size: int, head: str) -> None:
    encoded = der.tlv(der.OCTET_STRING, bytes(size))
    assert encoded.hex().startswith(head)
    assert len(encoded) == len(head) // 2 + size


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(0, "020100"), (127, "02017f"), (128, "02020080"), (255, "020200ff"), (256, "02020100")],
)
def test_integers_are_positive_and_shortest(value: int, wanted: str) -> None:
    assert der.integer(value).hex() == wanted


def test_object_identifiers_are_base_128() -> None:
    assert der.oid("1.2.840.113741.1.13.1").hex() == "06092a864886f84d010d01"


def test_a_sequence_holds_its_elements() -> None:
    assert der.sequence(der.integer(1), der.integer(2)).hex() == "3006020101020102"
