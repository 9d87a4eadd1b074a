"""The little DER that the vendor's certificate extension needs."""

INTEGER = 0x02
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
ENUMERATED = 0x0A
BOOLEAN = 0x01
SEQUENCE = 0x30


def tlv(tag: int, content: bytes) -> bytes:
    """One element with a definite, minimal length.

    Args:
        tag: The identifier octet.
        content: At most 65535 bytes.
    """
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def integer(value: int) -> bytes:
    """A non-negative INTEGER in its shortest form."""
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER from its dotted form."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return tlv(OBJECT_IDENTIFIER, b"".join(_base128(arc) for arc in (40 * first + second, *rest)))


def sequence(*elements: bytes) -> bytes:
    """A SEQUENCE of encoded elements."""
    return tlv(SEQUENCE, b"".join(elements))


def _base128(arc: int) -> bytes:
    """One arc of an object identifier, seven bits a byte, all but the last marked."""
    groups = [arc & 0x7F]
    while arc := arc >> 7:
        groups.append(0x80 | arc & 0x7F)
    return bytes(reversed(groups))
