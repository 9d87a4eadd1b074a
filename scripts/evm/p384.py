"""The machine that replays a P-384 verification; see `contracts/README.md` for why it is sound.

It is given a signature, a key, and a program of curve operations with one slope for each. It keeps,
for every point, the four integers (w0, w1, a, b) with point = w0 G + w1 2^192 G + a Q + b R, and
accepts when the program ends at the point at infinity with w0 + w1 2^192 = -b e / s and
a = -b r / s modulo the order: then R = (e/s) G + (r/s) Q, which is what ECDSA asks of the point
whose first coordinate is r.

Numbers modulo p are kept in Montgomery's form with N = 2^256 - 1, each as its residues modulo R =
2^256, N and M = 2^256 - 189. `p384_field.product` says why these are enough.
"""

from typing import Final

from oracle.attestation.codecs.p384_hints import (
    BIAS,
    MULTIPLES,
    ORDER,
    SCALE,
    SIZE,
    SLOTS,
    P,
    multiples,
)
from scripts.evm.assembler import Assembler, Expression
from scripts.evm.p384_curve import (
    AX,
    AY,
    TX,
    TY,
    W,
    add_point,
    convert,
    double,
    double_by_sum,
    not_below,
    on_curve,
    sum_for_double,
)
from scripts.evm.p384_field import MARGIN, M, N, R, Statement, memory, summed

# Memory behind the accumulator and T: slots, of the accumulator's form, and the table of G.
_SLOTS, _SLOT_SIZE = 0x240, 0x140
_G = _SLOTS + SLOTS * _SLOT_SIZE
G_ENTRIES: Final = 2 * MULTIPLES
G_SIZE: Final = 2 * SIZE * G_ENTRIES

# What the machine is called with.
_E, _R, _S, _QX, _QY, _RY, _K1, _K2 = range(0, 512, 64)
_WRAPS, _LENGTH, _PROGRAM = 512, 513, 515


def _word(at: int) -> Expression:
    return ("CALLDATALOAD", at)


def _setup(code: Assembler) -> None:
    """Bounds of the scalars; Q in every slot, R in slot 8 and the accumulator."""
    code.block([*((name, 0) for name in _STACK[:-2]), ("N", N), ("M", M)], drop=False)
    length = ("SHR", 240, _word(_LENGTH))
    wraps = ("SHR", 248, _word(_WRAPS))
    code.block(
        [
            ("pc", _PROGRAM),
            ("sp", ("ADD", _PROGRAM, length)),
            ("flag", _word(_E)),
            ("", ("EXTCODECOPY", TABLE, _G, 1, G_SIZE)),
        ]
    )
    for at in (_R, _S):
        outside = ("OR", ("ISZERO", ("OR", "hi", "lo")), not_below("hi", "lo", ORDER))
        code.block([("hi", _word(at)), ("lo", _word(at + 32)), ("bad", ("OR", outside, "bad"))])
    code.block(convert(_word(_QX), _word(_QX + 32), AX))
    code.block(convert(_word(_QY), _word(_QY + 32), AY))
    code.block(on_curve())
    # Slots that nobody stores to hold Q with an integer that no bound lets pass, and that no
    # program is long enough to bring back to 0.
    code.block([("", ("MSTORE", W + 96, _POISON)), ("", ("MCOPY", _SLOTS, AX, _SLOT_SIZE))])
    filled = 1
    while filled < SLOTS:
        size = filled * _SLOT_SIZE
        code.block([("", ("MCOPY", _SLOTS + size, _SLOTS, size))])
        filled *= 2
    code.block(
        [
            ("", ("MSTORE", _SLOTS + W + 64, 1)),
            ("", ("MSTORE", _SLOTS + W + 96, 0)),
        ]
    )
    # The first coordinate of R is r or, where that is below p, r + n.
    code.block(
        [
            ("wraps", wraps),
            ("bad", ("OR", ("SHR", 1, "wraps"), "bad")),
            ("low", _word(_R + 32)),
            ("sum", ("ADD", ("MUL", "wraps", ORDER % R), "low")),
            ("high", ("ADD", ("MUL", "wraps", ORDER >> 256), _word(_R))),
            ("carried", ("ADD", ("LT", "sum", "low"), "high")),
            *convert("carried", "sum", AX),
        ]
    )
    code.block(convert(_word(_RY), _word(_RY + 32), AY))
    code.block(on_curve())
    code.block(
        [
            ("", ("MSTORE", W + 96, 1)),
            ("", ("MCOPY", _SLOTS + 8 * _SLOT_SIZE, AX, _SLOT_SIZE)),
        ]
    )


#: Where the table of G lies: replaced at deployment.
TABLE: Final = 0xFF00FF00FF00FF00FF00FF00FF00FF00FF00FF00
_POISON: Final = 1 << 240
_STACK: Final = ("pc", "op", "k", "flag", "bad", "sp", "N", "M")
_KINDS: Final = (
    # What is read behind the end of the call is 0.
    "REFUSE",
    *("ADD", "SUB", "GADD", "GSUB"),
    *("2ADD", "2SUB", "2GADD", "2GSUB"),
    *("LOAD", "STORE", "END", "ENDSUB"),
    *("REFUSE", "REFUSE", "REFUSE"),
)


def _integers_bounded() -> list[Statement]:
    """That the accumulator's integers are within 2^200, so that none ever wraps around."""
    biased = [("ADD", 1 << 200, ("MLOAD", W + 32 * i)) for i in range(4)]
    together: Expression = biased[0]
    for each in biased[1:]:
        together = ("OR", each, together)
    return [("bad", ("OR", ("SHR", 201, together), "bad"))]


def _integers_doubled() -> list[Statement]:
    doubled = [("MSTORE", W + 32 * i, ("SHL", 1, ("MLOAD", W + 32 * i))) for i in range(4)]
    return [*_integers_bounded(), *(("", each) for each in doubled)]


def _slot() -> list[Statement]:
    """Where the slot is that the instruction names; its other bits have to be 0."""
    return [
        ("bad", ("OR", ("AND", 0xFF ^ (SLOTS - 1), "op"), "bad")),
        ("slot", ("ADD", _SLOTS, ("MUL", _SLOT_SIZE, ("AND", SLOTS - 1, "op")))),
    ]


def _take_slot(sign: str) -> list[Statement]:
    """A slot to T, its integers to the accumulator's."""
    return [
        *_slot(),
        *(
            (
                "",
                (
                    "MSTORE",
                    W + 32 * i,
                    (sign, ("MLOAD", W + 32 * i), ("MLOAD", ("ADD", W + 32 * i, "slot"))),
                ),
            )
            for i in range(4)
        ),
        ("", ("MCOPY", TX, "slot", 192)),
    ]


def _take_multiple(sign: str) -> list[Statement]:
    """An odd multiple of G or 2^192 G to T, its factor to the accumulator's integers."""
    index = ("AND", G_ENTRIES - 1, "op")
    half = G_ENTRIES // 2
    factor = ("OR", 1, ("SHL", 1, ("AND", half - 1, "op")))

    def coordinate(offset: int) -> list[Statement]:
        lo, hi = f"g{offset}", f"h{offset}"
        at = TX if offset == 0 else TY
        return [
            (hi, ("SHR", 128, ("MLOAD", ("ADD", offset, "g")))),
            (lo, ("MLOAD", ("ADD", offset + 16, "g"))),
            ("", ("MSTORE", at + 32, summed(N, hi, lo))),
            ("", ("MSTORE", at + 64, summed(M, ("MUL", 189, hi), lo))),
            ("", ("MSTORE", at, lo)),
        ]

    return [
        ("bad", ("OR", ("AND", 0xFF ^ (G_ENTRIES - 1), "op"), "bad")),
        ("g", ("ADD", _G, ("MUL", 96, index))),
        *coordinate(0),
        *coordinate(48),
        ("w", ("ADD", W, ("AND", 32, ("SHR", 1, "op")))),
        ("", ("MSTORE", "w", (sign, ("MLOAD", "w"), factor))),
    ]


def _residue_of_word(modulus: int, value: Expression) -> Expression:
    """Of a word in two's complement."""
    return ("ADDMOD", -(1 << 255) % modulus, ("XOR", 1 << 255, value), modulus)


def _residue_of_pair(modulus: int, at: int) -> Expression:
    """Of a number of two words of the call."""
    return ("ADDMOD", ("MULMOD", R % modulus, _word(at), modulus), _word(at + 32), modulus)


def _scalars() -> list[Statement]:
    """That b e + w s = k1 n and b r + a s = k2 n, modulo numbers whose product exceeds both."""
    found: list[Expression] = []
    for modulus in (R, N, M, 2**256 - 2**32 - 977):
        for scalar, quotient, integers in ((_E, _K1, (0, 1)), (_R, _K2, (2,))):
            found.append(_equation(modulus, scalar, quotient, integers))
    statements: list[Statement] = [("bad", ("OR", ("ISZERO", ("MLOAD", W + 96)), "bad"))]
    return statements + [("bad", ("OR", each, "bad")) for each in found]


def _equation(modulus: int, scalar: int, quotient: int, integers: tuple[int, ...]) -> Expression:
    """Zero if b x + w s = (quotient - bias) n modulo a number."""
    words = [("MLOAD", W + 32 * i) for i in integers]
    b = ("MLOAD", W + 96)
    if modulus == R:
        total: Expression = words[0]
        if len(words) > 1:
            total = ("ADD", ("SHL", 192, words[1]), total)
        sum_: Expression = ("ADD", ("MUL", total, _word(_S + 32)), ("MUL", b, _word(scalar + 32)))
        return ("XOR", ("MUL", ORDER % R, _word(quotient + 32)), sum_)
    total = _residue_of_word(modulus, words[0])
    if len(words) > 1:
        shifted = ("MULMOD", 2**192 % modulus, _residue_of_word(modulus, words[1]), modulus)
        total = ("ADDMOD", shifted, total, modulus)
    left = (
        "ADDMOD",
        ("MULMOD", total, _residue_of_pair(modulus, _S), modulus),
        ("MULMOD", _residue_of_word(modulus, b), _residue_of_pair(modulus, scalar), modulus),
        modulus,
    )
    factor = ("ADDMOD", -BIAS % modulus, _residue_of_pair(modulus, quotient), modulus)
    return ("XOR", ("MULMOD", ORDER % modulus, factor, modulus), left)


def _end(*, is_negative: bool) -> list[Statement]:
    """That the accumulator plus or less T is at infinity: same x, and opposite or same y."""
    x, y, tx, ty = (memory(at) for at in (AX, AY, TX, TY))
    unlike: list[Expression] = [("XOR", x[0], tx[0]), ("XOR", x[1], tx[1])]
    if is_negative:
        unlike += [("XOR", y[0], ty[0]), ("XOR", y[1], ty[1])]
    else:
        unlike += [
            ("XOR", P % R, ("ADD", y[0], ty[0])),
            ("XOR", P % N, summed(N, y[1], ty[1])),
        ]
    unlike += [
        ("XOR", "pc", ("ADD", _PROGRAM, ("SHR", 240, _word(_LENGTH)))),
        ("XOR", "sp", ("CALLDATASIZE",)),
    ]
    return [*_integers_bounded(), *(("bad", ("OR", each, "bad")) for each in unlike)]


def build() -> bytes:
    """The machine's code."""
    code = Assembler({N: "N", M: "M"})
    _setup(code)
    code.enter("next", _STACK)
    code.block(
        [
            ("op", ("SHR", 240, ("CALLDATALOAD", "pc"))),
            ("pc", ("ADD", 2, "pc")),
            ("k", ("SHR", 12, "op")),
        ]
    )
    code.jump_if(("ISZERO", "k"), "act")
    code.block(_integers_bounded())
    code.block(
        [("", ("MSTORE", W + 32 * i, ("SHL", "k", ("MLOAD", W + 32 * i)))) for i in range(4)]
    )
    code.enter("double", _STACK)
    code.block([*double(), ("k", ("SUB", "k", 1))])
    code.jump_if("k", "double")
    code.enter("act", _STACK)
    code.jump_by_table(("AND", 15, ("SHR", 8, "op")), _KINDS)
    for sign in ("SUB", "ADD"):
        is_negative = sign == "SUB"
        for twice in ("", "2"):
            code.enter(f"{twice}G{sign}", _STACK)
            if twice:
                code.block(_integers_doubled())
            code.block(_take_multiple(sign))
            code.jump(f"{twice}{sign} T")
            code.enter(f"{twice}{sign}", _STACK)
            if twice:
                code.block(_integers_doubled())
            code.block(_take_slot(sign))
            code.enter(f"{twice}{sign} T", _STACK)
            if twice:
                code.block(sum_for_double(is_negative=is_negative))
                code.jump("2T")
            else:
                code.block(add_point(is_negative=is_negative))
                code.jump("next")
    code.enter("2T", _STACK)
    code.block(double_by_sum())
    code.jump("next")
    code.enter("LOAD", _STACK)
    code.block([*_slot(), ("", ("MCOPY", AX, "slot", _SLOT_SIZE))])
    code.jump("next")
    code.enter("STORE", _STACK)
    code.block([*_integers_bounded(), *_slot(), ("", ("MCOPY", "slot", AX, _SLOT_SIZE))])
    code.jump("next")
    code.enter("ENDSUB", _STACK)
    code.block([*_take_slot("SUB"), *_end(is_negative=True)])
    code.jump("judge")
    code.enter("END", _STACK)
    code.block([*_take_slot("ADD"), *_end(is_negative=False)])
    code.jump("judge")
    code.enter("REFUSE", _STACK)
    code.block([("bad", 1)])
    code.enter("judge", _STACK)
    code.block(_scalars())
    code.block(
        [
            ("", ("MSTORE", 0, ("ISZERO", ("OR", ("SHR", 128, "flag"), "bad")))),
            ("", ("RETURN", 0, 32)),
        ]
    )
    return code.build()


def table() -> bytes:
    """The table: both coordinates of each point, scaled and in Montgomery's form, 48 bytes each.

    Raises:
        ValueError: A coordinate has no margin.
    """
    numbers = [
        coordinate * SCALE**power * N % P
        for point in multiples()
        for coordinate, power in zip(point, (2, 3), strict=True)
    ]
    if not all(MARGIN <= number >> 256 < 2**128 - MARGIN for number in numbers):
        raise ValueError("a coordinate of the table has no margin")
    return b"".join(number.to_bytes(SIZE, "big") for number in numbers)
