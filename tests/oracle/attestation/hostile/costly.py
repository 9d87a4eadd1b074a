"""Inputs that take the longest of their size: as large as a parser takes them, and larger.

A parser's bounds are such that even these keep the limits of time and memory.
"""

from collections.abc import Callable, Iterator
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from oracle.attestation.appraisal.policy_file import MAX_DOTS, MAX_MARKS, MAX_POLICY
from oracle.attestation.codecs import event_log, strict_json
from oracle.attestation.endorsements.documents import MAX_CERTIFICATES
from oracle.attestation.endorsements.folder import MAX_FILE as MAX_COLLATERAL
from oracle.cli.attest_files import MAX_BLOCKS
from oracle.cli.attest_inputs import MAX_FILE
from tests.fakes.event_logs import log_event, log_header
from tests.fakes.tpm_evidence import ec_key
from tests.fakes.x509_authority import make_certificate

#: The longest number that Python reads.
_DIGITS: Final = b"9" * 4_300
_BANKS: Final = ("sha1", "sha256", "sha384", "sha512")

Unit = Callable[[int], bytes]


def _same(unit: bytes) -> Unit:
    return lambda _: unit


def filled(begin: bytes, unit: Unit, end: bytes, size: int, marks: bytes, most: int) -> bytes:
    """As many units as fit into a size and a number of marks; white space makes up the size."""
    made = [begin]
    left = size - len(begin) - len(end)
    may = most - _count(begin + end, marks)
    for number in range(size):
        piece = unit(number)
        left -= len(piece)
        may -= _count(piece, marks)
        if left < 0 or may < 0:
            break
        made.append(piece)
    whole = b"".join(made) + end
    return whole + b"\n" * (size - len(whole))


def _count(raw: bytes, marks: bytes) -> int:
    return sum(raw.count(mark) for mark in marks)


def costly_policies() -> Iterator[bytes]:
    """Within the bounds of marks; then without regard to them."""
    deep = b"[" + b"b." * MAX_DOTS + b"b]\n"
    dotted = b"a." * (MAX_DOTS - 1)
    for most in (MAX_MARKS, MAX_POLICY):
        for begin, unit, end in (
            (deep, lambda number: b"k%d=1\n" % number, b""),
            (deep, lambda number: b"a.k%d=1\n" % number, b""),
            (b"", lambda number: b"[%sk%d]\n%sa.b=1\n" % (dotted, number, dotted), b""),
            (b"", lambda number: dotted + b"k%d=1\n" % number, b""),
            (b"", lambda number: b"k%d=%s1%s\n" % (number, b"{a=" * 300, b"}" * 300), b""),
            (b"", lambda number: b"k%d=%s%s\n" % (number, b"[" * 300, b"]" * 300), b""),
            (b"[snp]\nvmpls=[", _same(b"1,"), b"]"),
            (b"platform_ids=[", _same(b'"00",'), b"]"),
            (b"x=[", _same(b"{a=1},"), b"]"),
            (b"[tcb.minimum.x]\n", lambda number: b"k%d=1\n" % number, b""),
            (b"", _same(b'[[image]]\nname="a"\nmrtd="00"\n'), b""),
            (b"", lambda number: b"k%d=%s\n" % (number, _DIGITS), b""),
            (b'nonce="', _same(b"\\n"), b'"'),
            (b'"', _same(b"minimum_evaluation_number"), b'"=1'),
        ):
            yield filled(begin, unit, end, MAX_POLICY, b".,=[{", most)


def costly_json(size: int) -> Iterator[bytes]:
    """Lists, objects, numbers and strings; within the bound of marks, then without regard to it."""
    for most in (strict_json.MAX_MARKS, size):
        for begin, unit, end in (
            (b"[", _same(b"[],"), b"1]"),
            (b"[", _same(b"{},"), b"1]"),
            (b"[", _same(b'{"a":1},'), b"1]"),
            (b"[", _same(b"1,"), b"1]"),
            (b"[", _same(b"1.5,"), b"1]"),
            (b"[", _same(b'"",'), b'""]'),
            (b"[", _same(b"[" * 900 + b"]" * 900 + b","), b"1]"),
            (b"[", _same(_DIGITS + b","), b"1]"),
            (b"{", lambda number: b'"%d":1,' % number, b'"a":1}'),
            (b'["', _same(b"\\u0041"), b'"]'),
        ):
            yield filled(begin, unit, end, size, b",:[{", most)


def costly_files() -> Iterator[bytes]:
    """JSON, and blocks of PEM: many, crooked, and of white space."""
    yield from costly_json(MAX_FILE)
    begin, end = b"-----BEGIN CERTIFICATE-----\n", b"\n-----END CERTIFICATE-----\n"
    room = MAX_FILE // MAX_BLOCKS - len(begin + end)
    for body, blocks in (
        (b"A" * (room // 4 * 4), MAX_BLOCKS),
        (b"A " * (room // 8 * 4), MAX_BLOCKS),
        (b"AAAA", MAX_BLOCKS + 1),
        (b"A=A=", MAX_FILE // len(begin + end + b"A=A=")),
        (b"A " * ((MAX_FILE - len(begin + end)) // 8 * 4), 1),
        (b"A" + b" " * (MAX_FILE - len(begin + end) - 1), 1),
    ):
        yield (begin + body + end) * blocks
    yield b"-----BEGIN A-----\nA" * (MAX_FILE // 19)
    yield bytes(MAX_FILE)


def costly_chains() -> Iterator[bytes]:
    """Certificates that one root issued: as many as are taken, one more, and a file's fill."""
    root = make_certificate("root", key=ec_key("root"))
    issued = [root.issue(f"CA {number}", key=ec_key("CA")) for number in range(MAX_CERTIFICATES)]
    pems = [each.certificate.public_bytes(Encoding.PEM) for each in (root, *issued)]
    yield b"".join(pems[:-1])
    yield b"".join(pems)
    yield pems[0] * (MAX_COLLATERAL // len(pems[0]))


def costly_logs() -> Iterator[bytes]:
    """As many events in as many banks as are taken, small and large, and one event more."""
    for count, size in ((event_log.MAX_EVENTS, 0), (event_log.MAX_EVENTS, 800)):
        event = log_event(1, bytes(size), algorithms=_BANKS)
        yield (log_header(_BANKS) + event * count)[: event_log.MAX_LOG]
        yield log_header(_BANKS) + event * (count + 1)
    yield log_header(_BANKS) + b"\xff" * (event_log.MAX_LOG - len(log_header(_BANKS)))
