from collections.abc import Iterator

import pytest

from enclave.domain.errors import MalformedEvidence
from oracle.attestation.codecs.dcap import MAX_QUOTE
from oracle.attestation.codecs.quote_tree import show_quote
from oracle.attestation.codecs.tree import Node
from oracle.devnet.silicon.quotes import QuoteForm
from tests.fakes.intel_evidence import certification, genuine, vendor
from tests.vectors.dcap_parts import body_of

FORMS = list(QuoteForm)
RAW = genuine(QuoteForm.SGX_V3)


def _all(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _all(child)


def _named(raw: bytes, name: str) -> Node:
    return next(each for each in _all(show_quote(raw)) if each.name == name)


@pytest.mark.parametrize("form", FORMS)
def test_every_field_is_shown_where_it_is(form: QuoteForm) -> None:
    raw = genuine(form)
    leaves = [n for n in _all(show_quote(raw)) if n.offset is not None and not n.children]
    for leaf in leaves:
        assert leaf.size is not None
        assert leaf.offset is not None
        part = raw[leaf.offset : leaf.offset + leaf.size]
        assert leaf.value in (part.hex(), str(int.from_bytes(part, "little"))), leaf
    # From the first byte to the certificates, with nothing in between.
    at = 0
    for leaf in leaves:
        assert leaf.offset == at
        at += leaf.size or 0
    assert at == raw.index(b"-----BEGIN")
    body = body_of(form)
    shown = _named(raw, "report body")
    assert (shown.offset, shown.size) == (raw.index(body), len(body))


@pytest.mark.parametrize("form", FORMS)
def test_the_machine_is_shown(form: QuoteForm) -> None:
    machine = _named(genuine(form), "machine")
    values = {child.name: child.value for child in machine.children}
    platform = vendor().platform
    assert values["ppid"] == platform.ppid.hex()
    assert values["fmspc"] == platform.fmspc.hex()
    assert values["components"].split() == [str(svn) for svn in platform.components]


def test_what_follows_the_quote_is_said() -> None:
    padding = _named(RAW + bytes(9), "trailing_zero_padding")
    assert (padding.value, padding.note) == ("9", "zeros")
    padding = _named(RAW + b"\1", "trailing_zero_padding")
    assert (padding.note, padding.offset, padding.size) == ("not zero", len(RAW), 1)
    assert _named(RAW + bytes(9), "quote_len").value == str(len(RAW))


def _certified(data: bytes) -> bytes:
    """The quote with other certification data."""
    at = RAW.index(b"-----BEGIN") - 6
    begin = 48 + 384 + 4
    return RAW[: begin - 4] + (at - begin + len(data)).to_bytes(4, "little") + RAW[begin:at] + data


@pytest.mark.parametrize(("kind", "note"), [(3, "PPID encrypted with RSA-3072"), (9, "unknown")])
def test_other_certification_data_are_named(kind: int, note: str) -> None:
    node = _named(_certified(certification(kind, b"abc")), "certification data")
    shown, size, data = node.children
    assert (shown.name, shown.value, shown.note) == ("cert_data_type", str(kind), note)
    assert (size.value, data.value, data.offset) == ("3", b"abc".hex(), (node.offset or 0) + 6)


def test_a_chain_that_cannot_be_read_is_said_to_be_so() -> None:
    node = _named(_certified(certification(5, b"abc")), "certificates")
    assert "other text at 0" in node.note


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "header ends"),
        (bytes(MAX_QUOTE + 1), "wanted at most"),
        (RAW[:4] + b"\x07" + RAW[5:], "report body of 0 bytes"),
        (genuine(QuoteForm.SGX_V5)[:50] + bytes(400), "report body of 0 bytes"),
        (RAW[:-1], "signature data ends"),
    ],
)
def test_other_bytes_are_no_quote(raw: bytes, why: str) -> None:
    with pytest.raises(MalformedEvidence, match=why):
        show_quote(raw)
