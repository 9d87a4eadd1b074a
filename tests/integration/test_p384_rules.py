"""Every rule of the P-384 machine refuses what breaks it alone: the rest of each hint is good."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from oracle.attestation.codecs import p384_hints
from oracle.attestation.codecs.p384_hints import (
    LOAD,
    ORDER,
    SIZE,
    G,
    P,
    Point,
    multiply,
    required,
)
from oracle.devnet.anvil import anvil
from scripts.evm import p384
from scripts.evm.assembler import Assembler
from scripts.evm.p384_field import D, Statement
from tests.integration.test_p384_on_chain import FALSE, TRUE, answers, created

_SECRET, _NONCE = 0xC0FFEE << 300, 0xDECADE << 280
_SCRATCH = 30


class _Signed:
    """A signature that somebody with the secret made, and programs for it."""

    def __init__(self, key: Point, nonce: Point, u1: int, u2: int) -> None:
        self.key = key
        self.r = nonce[0] % ORDER
        self.s = self.r * pow(u2, -1, ORDER) % ORDER
        self.e = u1 * self.s % ORDER
        self.case = p384_hints._Case(self.e, self.r, self.s, key, nonce, u1, u2)

    def program(self) -> p384_hints._Program:
        return p384_hints._Program(self.key, self.case.nonce)

    def finish(self, program: p384_hints._Program) -> p384_hints._Program:
        """The program that verifies, behind what is there."""
        for a, b in p384_hints._halves(self.case.u2):
            begun = len(program.code), len(program.slopes)
            if program.run(self.case.relation(a, b)):
                return program
            del program.code[begun[0] :], program.slopes[begun[1] :]
        raise AssertionError("no program")

    def input(self, program: p384_hints._Program) -> bytes:
        return self.head(self.r, self.s, self.key) + self.case.encoded(program)

    def head(self, r: int, s: int, key: Point) -> bytes:
        return b"".join(number.to_bytes(64, "big") for number in (self.e, r, s, *key))


def _signed(nonce: int = _NONCE) -> _Signed:
    # R = u1 G + u2 Q with u1 = nonce - u2 secret.
    u2 = 0xFEED << 350
    key, point = (required(multiply(each, G)) for each in (_SECRET, nonce))
    return _Signed(key, point, (nonce - u2 * _SECRET) % ORDER, u2 % ORDER)


def _nothing(program: p384_hints._Program) -> None:
    """A program as it is made."""


def _same_point(program: p384_hints._Program) -> None:
    program._load(0)
    program.code += bytes((1, 0))
    program.slopes.append(5)


def _opposite_points(program: p384_hints._Program) -> None:
    program._load(0)
    program.code += bytes((2, 0))
    program.slopes.append(5)


def _wrong_slope(program: p384_hints._Program) -> None:
    program._load(0)
    program._add(0, 8, 0)
    program.slopes[-1] += 1


def _wrong_slope_to_the_table(program: p384_hints._Program) -> None:
    program._load(0)
    program._add(3, 70, 0)
    program.slopes[-1] += 1


def _wrong_tangent(program: p384_hints._Program) -> None:
    program._load(0)
    program._store(_SCRATCH, 1)
    program.slopes[-1] += 1


def _wrong_first_of_two(program: p384_hints._Program) -> None:
    program._load(0)
    program._add(1, 8, 1)
    program.slopes[-2] += 1


def _wrong_second_of_two(program: p384_hints._Program) -> None:
    program._load(0)
    program._add(2, 5, 1)
    program.slopes[-1] += 1


def _long_integers(program: p384_hints._Program) -> None:
    program._load(0)
    for _ in range(14):
        program._store(_SCRATCH, 15)


def _long_integers_of_sums(program: p384_hints._Program) -> None:
    program._load(0)
    for _ in range(13):
        program._store(_SCRATCH, 15)
    for _ in range(6):
        program._add(2, 9, 1)
    program._store(_SCRATCH)


def _long_integers_at_once(program: p384_hints._Program) -> None:
    program._load(0)
    for _ in range(13):
        program._store(_SCRATCH, 15)
    program._add(2, 9, 11)


def _unwritten_slot(program: p384_hints._Program) -> None:
    program._load(8)
    program._slots[20] = program._slots[0]
    program._add(0, 20, 0)
    program._store(_SCRATCH)


def _slot_beyond_the_last(program: p384_hints._Program) -> None:
    program._load(0)
    program.code[-1] |= 32


def _store_beyond_the_last(program: p384_hints._Program) -> None:
    program._load(0)
    program._store(_SCRATCH)
    program.code[-1] |= 64


def _multiple_beyond_the_last(program: p384_hints._Program) -> None:
    program._load(0)
    program._add(2, 3, 0)
    program.code[-1] |= 128


def _no_instruction(program: p384_hints._Program) -> None:
    program.code += bytes(2)


def _unknown_instruction(program: p384_hints._Program) -> None:
    program.code += bytes((15, 0))


#: What is put before a good program; none of it changes what that computes.
_BROKEN: tuple[Callable[[p384_hints._Program], None], ...] = (
    _same_point,
    _opposite_points,
    _wrong_slope,
    _wrong_slope_to_the_table,
    _wrong_tangent,
    _wrong_first_of_two,
    _wrong_second_of_two,
    _long_integers,
    _long_integers_of_sums,
    _long_integers_at_once,
    _unwritten_slot,
    _slot_beyond_the_last,
    _store_beyond_the_last,
    _multiple_beyond_the_last,
    _no_instruction,
    _unknown_instruction,
)


def _harmless(program: p384_hints._Program) -> None:
    """One of everything, so that the cases above fail by what is wrong in them alone."""
    program._load(0)
    program._add(0, 8, 0)
    program._add(3, 70, 0)
    program._store(_SCRATCH, 1)
    program._add(1, 8, 1)
    program._add(2, 5, 1)
    for _ in range(10):
        program._store(_SCRATCH, 15)
    program._add(2, 9, 11)
    program._store(_SCRATCH)
    program._add(0, _SCRATCH - 22, 0)


async def _judged(*inputs: bytes) -> list[str]:
    async with anvil() as chain:
        return await answers(chain, await created(chain, "P384Machine"), inputs)


async def test_a_rule_that_is_broken_on_the_way_is_seen() -> None:
    signed = _signed()
    inputs = []
    for change in (_nothing, _harmless, *_BROKEN):
        program = signed.program()
        change(program)
        inputs.append(signed.input(signed.finish(program)))
    judged = await _judged(*inputs)
    assert judged[:2] == [TRUE, TRUE]
    accepted = [f.__name__ for f, said in zip(_BROKEN, judged[2:], strict=True) if said == TRUE]
    assert accepted == []


#: A rule, told by a part of its expression, and what a machine without it would let pass.
_RULES: tuple[tuple[str, tuple[Callable[[p384_hints._Program], None], ...]], ...] = (
    ("('ISZERO', ('OR', 'elo', 'eN'))", (_same_point,)),
    (
        f"('XOR', 'z', ('MUL', {D}, 'j'))",
        (_wrong_slope, _wrong_slope_to_the_table, _wrong_tangent),
    ),
    ("('SHR', 201,", (_long_integers, _long_integers_of_sums, _unwritten_slot)),
    ("('AND', 224, 'op')", (_slot_beyond_the_last, _store_beyond_the_last)),
    ("('AND', 128, 'op')", (_multiple_beyond_the_last,)),
)


@pytest.mark.parametrize(("rule", "passing"), _RULES, ids=[rule[:24] for rule, _ in _RULES])
async def test_without_the_rule_what_it_refuses_would_pass(
    rule: str,
    passing: tuple[Callable[[p384_hints._Program], None], ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signed, inputs = _signed(), []
    for change in passing:
        program = signed.program()
        change(program)
        inputs.append(signed.input(signed.finish(program)))
    compute = Assembler.block
    left_out: list[Statement] = []

    def without(self: Assembler, statements: Iterable[Statement], **options: Any) -> None:
        lines = list(statements)
        kept = [line for line in lines if rule not in repr(line)]
        left_out.extend(line for line in lines if line not in kept)
        compute(self, kept, **options)

    monkeypatch.setattr(Assembler, "block", without)
    code = p384.build()
    assert left_out
    async with anvil() as chain:
        machine = await created(chain, "P384Machine")
        assert set(await answers(chain, machine, inputs)) == {FALSE}
        whole = bytes.fromhex((await chain.call("eth_getCode", machine, "latest"))[2:])
        placeholder = p384.TABLE.to_bytes(20, "big")
        monkeypatch.undo()
        at = p384.build().index(placeholder)
        broken = code.replace(placeholder, whole[at : at + 20])
        await chain.call("anvil_setCode", machine, f"0x{broken.hex()}")
        assert set(await answers(chain, machine, inputs)) == {TRUE}


async def test_a_relation_without_r_proves_nothing() -> None:
    signed = _signed()
    program = signed.program()
    program._load(0)
    program._end(1, 0, 0)
    assert program.integers == (0, 0, 0, 0)
    assert await _judged(signed.input(program)) == [FALSE]


async def test_nothing_may_follow_program_or_slopes() -> None:
    signed = _signed()
    program = signed.finish(signed.program())
    whole = signed.input(program)
    program.code += bytes((LOAD + 1, 0))
    longer = signed.input(program)
    assert await _judged(whole, longer, whole + bytes(48), whole[:-48]) == [TRUE, *[FALSE] * 3]


async def test_numbers_have_one_form() -> None:
    signed = _signed()
    program = signed.finish(signed.program())
    hint = signed.case.encoded(program)
    r, s, (x, y) = signed.r, signed.s, signed.key
    good, above = signed.head(r, s, (x, y)), 1 << 384
    heads = [
        (signed.e + above).to_bytes(64, "big") + good[64:],
        signed.head(r + above, s, (x, y)),
        signed.head(r, s + above, (x, y)),
        signed.head(r, s, (x + above, y)),
        signed.head(r, s, (x, y + above)),
    ]
    nonce_y, k1, k2 = (int.from_bytes(hint[at : at + 64], "big") for at in (0, 64, 128))
    numbers = [
        (P - nonce_y, k1, k2),
        (nonce_y + above, k1, k2),
        (nonce_y, k1 + 1, k2),
        (nonce_y, k1, k2 - 1),
        (nonce_y, k1 + (1 << 511), k2),
    ]
    inputs = [head + hint for head in heads]
    for each in numbers:
        words = b"".join(number.to_bytes(64, "big") for number in each)
        inputs += [good + words + hint[192:]]
    # The byte that says whether x of R is r + n.
    inputs.append(good + hint[:192] + bytes((2,)) + hint[193:])
    judged = await _judged(good + hint, *inputs)
    assert judged == [TRUE, *[FALSE] * len(inputs)]


@pytest.mark.parametrize("number", [0, ORDER])
async def test_scalars_are_within_the_order(number: int) -> None:
    signed = _signed()
    hint = signed.case.encoded(signed.finish(signed.program()))
    heads = [signed.head(number, signed.s, signed.key), signed.head(signed.r, number, signed.key)]
    assert await _judged(*(head + hint for head in heads)) == [FALSE, FALSE]


async def test_a_scalar_is_not_taken_with_the_order_added() -> None:
    # Somebody may choose s and the digest as they like: small s, so that s + n still has 384 bits.
    key, nonce = (required(multiply(each, G)) for each in (_SECRET, _NONCE))
    r, s = nonce[0] % ORDER, 12_345
    u2 = r * pow(s, -1, ORDER) % ORDER
    signed = _Signed(key, nonce, (_NONCE - u2 * _SECRET) % ORDER, u2)
    assert signed.s == s
    program = signed.finish(signed.program())
    good = signed.input(program)
    w0, w1, a, _ = program.integers
    hint = bytearray(signed.case.encoded(program))
    for at, factor in ((64, w0 + (w1 << 192)), (128, a)):
        quotient = int.from_bytes(hint[at : at + 64], "big") + factor
        hint[at : at + 64] = quotient.to_bytes(64, "big")
    added = signed.head(r, s + ORDER, key) + bytes(hint)
    assert await _judged(good, added) == [TRUE, FALSE]


async def test_a_coordinate_is_not_taken_with_p_added() -> None:
    # A key whose x is below 2^128; nobody has its secret, but a digest may be chosen for it.
    x = next(x for x in range(2, 100) if pow(_square(x), (P - 1) // 2, P) == 1)
    key = x, pow(_square(x), (P + 1) // 4, P)
    u1, u2 = 0xABCDEF << 100, 0x123457 << 90
    nonce = required(p384_hints.add(multiply(u1, G), multiply(u2, key)))
    signed = _Signed(key, nonce, u1, u2)
    hint = signed.case.encoded(signed.finish(signed.program()))
    heads = [signed.head(signed.r, signed.s, (each, key[1])) for each in (x, x + P)]
    assert await _judged(*(head + hint for head in heads)) == [TRUE, FALSE]


def _square(x: int) -> int:
    """y squared."""
    return (x**3 - 3 * x + p384_hints.B) % P


async def test_the_key_is_on_the_curve() -> None:
    signed = _signed()
    hint = signed.case.encoded(signed.finish(signed.program()))
    x, y = signed.key
    keys = [(x, P - y), (x + 1, y), (x, y + 1), (0, 0), (x, 0)]
    heads = [signed.head(signed.r, signed.s, key) for key in keys]
    assert set(await _judged(*(head + hint for head in heads))) == {FALSE}
    assert len(hint) > 100 * SIZE
