import pytest

from oracle.attestation.codecs.quote_fields import BODIES, HEADER, fields_of, show_fields
from oracle.devnet.silicon.quotes import QuoteForm
from tests.vectors.dcap_parts import MEASUREMENT, body_of


def test_every_layout_is_as_long_as_the_body_that_it_is_of() -> None:
    for size, layout in BODIES.items():
        assert sum(width for _, width in layout) == size
    assert sum(width for _, width in HEADER) == 48


@pytest.mark.parametrize("form", list(QuoteForm))
def test_fields_are_found_by_name(form: QuoteForm) -> None:
    data = bytes(range(64))
    body = body_of(form, data=data)
    fields = fields_of(body)
    assert fields["report_data"] == data
    assert b"".join(fields.values()) == body
    name = "mrenclave" if "mrenclave" in fields else "mrtd"
    assert fields[name] == MEASUREMENT[: len(fields[name])]


def test_fields_are_shown_with_offsets_and_numbers_as_numbers() -> None:
    header = bytes.fromhex("0300020000000000") + bytes(40)
    node = show_fields("header", header, HEADER, offset=100)
    assert (node.offset, node.size) == (100, 48)
    version, kind, *_, user_data = node.children
    assert (version.value, kind.value) == ("3", "2")
    assert (user_data.name, user_data.value, user_data.offset) == ("user_data", "00" * 20, 128)
