"""SHA-384 of the calldata, 80 rounds unrolled.

A 64-bit word w is rotated as w (2^64 + 1): three rotations that are combined by XOR become three
shifts, one after the other. Sums are cut to 64 bits only where that is needed: in new a and e, and
in the message schedule, which is kept 16 bytes apart so that one load gives two words.

Reference: FIPS 180-4, sections 4.1.3, 4.2.3, 5.1.2, 5.3.4, 6.4.
"""

from typing import Final

from scripts.evm.assembler import Assembler, Expression

_MASK: Final = 2**64 - 1
_TWO_WORDS: Final = _MASK << 128 | _MASK
_TWICE: Final = 2**64 + 1
#: Memory: the schedule, eight words of state, the padded message.
_SCHEDULE = 0x40
_STATE = _SCHEDULE + 16 * 80 + 32
_MESSAGE = _STATE + 8 * 32
_BLOCK = 128
_STATE_NAMES = "abcdefgh"

_Statement = tuple[str, Expression]


def _primes(count: int) -> list[int]:
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return found


def _root_bits(number: int, degree: int) -> int:
    """The first 64 bits of the fraction of a root."""
    scaled = number << 64 * degree
    low, high = 0, 1 << 80
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**degree <= scaled else (low, middle)
    return low & _MASK


#: Cube roots of the first 80 primes; square roots of the 9th to the 16th.
ROUND_CONSTANTS: Final = tuple(_root_bits(prime, 3) for prime in _primes(80))
INITIAL_STATE: Final = tuple(_root_bits(prime, 2) for prime in _primes(16)[8:])


def _turned(doubled: str, last: int, *shifts: int) -> Expression:
    """Rotations of a doubled word, combined: each shift is what the next rotation is further."""
    found: Expression = doubled
    for shift in shifts:
        found = ("XOR", doubled, ("SHR", shift, found))
    return ("SHR", last, found)


def _spread(block: str, quarter: int) -> list[_Statement]:
    """Four of a block's words to the schedule."""
    at = _SCHEDULE + 64 * quarter
    return [
        ("m", ("MLOAD", ("ADD", 32 * quarter, block))),
        (
            "",
            (
                "MSTORE",
                at,
                ("OR", ("SHL", 128, ("SHR", 192, "m")), ("AND", _MASK, ("SHR", 128, "m"))),
            ),
        ),
        (
            "",
            (
                "MSTORE",
                at + 32,
                ("OR", ("SHL", 128, ("AND", _MASK, ("SHR", 64, "m"))), ("AND", _MASK, "m")),
            ),
        ),
    ]


def _schedule(number: int) -> list[_Statement]:
    """Two words of the schedule at once."""
    at = _SCHEDULE + 16 * number
    return [
        ("u", ("MLOAD", at - 16 * 15)),
        ("x", ("MUL", _TWICE, "u")),
        ("x0", _turned("x", 1, 7)),
        ("s", ("AND", _TWO_WORDS, ("XOR", "x0", ("SHR", 7, "u")))),
        ("v", ("MLOAD", at - 16 * 2)),
        ("y", ("MUL", _TWICE, "v")),
        ("y0", _turned("y", 19, 42)),
        ("t", ("AND", _TWO_WORDS, ("XOR", "y0", ("SHR", 6, "v")))),
        ("r", ("ADD", "s", "t")),
        ("q", ("ADD", ("MLOAD", at - 16 * 7), ("ADD", ("MLOAD", at - 16 * 16), "r"))),
        ("", ("MSTORE", at, ("AND", _TWO_WORDS, "q"))),
    ]


def _round(number: int) -> list[_Statement]:
    """One round; which name is a to h turns with each."""
    a, b, _, d, e, f, g, h = (_STATE_NAMES[(i - number) % 8] for i in range(8))
    x, y, total, differs = (f"{each}{number}" for each in ("x", "y", "T", "p"))
    chosen = ("XOR", g, ("AND", e, ("XOR", f, g)))
    word = ("MLOAD", _SCHEDULE + 16 * number - 16)
    sums: Expression = ("ADD", h, _turned(x, 14, 23, 4))
    for term in (chosen, word, ROUND_CONSTANTS[number]):
        sums = ("ADD", term, sums)
    # a ^ b is b ^ c of the next round.
    majority = ("XOR", b, ("AND", differs, ("EXCHANGE", "b^c", differs)))
    return [
        (x, ("MUL", _TWICE, e)),
        (total, sums),
        (d, ("AND", _MASK, ("ADD", d, total))),
        (y, ("MUL", _TWICE, a)),
        (f"z{number}", _turned(y, 28, 5, 6)),
        (f"U{number}", ("ADD", total, f"z{number}")),
        (differs, ("XOR", a, b)),
        (h, ("AND", _MASK, ("ADD", f"U{number}", majority))),
    ]


def build() -> bytes:
    """The code: any calldata in, 48 bytes out."""
    code = Assembler()
    code.block([("length", ("CALLDATASIZE",))], drop=False)
    # With a bit and the length in 16 bytes, whole blocks.
    code.block([("end", ("AND", ("NOT", 127), ("ADD", 144, "length")))], drop=False)
    last = ("ADD", _MESSAGE - 32, "end")
    code.block(
        [
            ("", ("CALLDATACOPY", _MESSAGE, 0, "length")),
            ("", ("MSTORE8", ("ADD", _MESSAGE, "length"), 0x80)),
            ("", ("MSTORE", last, ("OR", ("SHL", 3, "length"), ("MLOAD", last)))),
            *(("", ("MSTORE", _STATE + 32 * i, word)) for i, word in enumerate(INITIAL_STATE)),
            ("end", ("ADD", _MESSAGE, "end")),
        ]
    )
    code.block([("block", _MESSAGE)], drop=False)
    stack = code.stack
    code.enter("block", stack)
    for quarter in range(4):
        code.block(_spread("block", quarter))
    for number in range(16, 80, 2):
        code.block(_schedule(number))
    state = [(name, ("MLOAD", _STATE + 32 * i)) for i, name in enumerate(_STATE_NAMES)]
    code.block(state[::-1], drop=False)
    code.block([("b^c", ("XOR", "b", "c"))], drop=False)
    code.block([line for number in range(80) for line in _round(number)])
    code.pop()
    for i, name in enumerate(_STATE_NAMES):
        total = ("AND", _MASK, ("ADD", ("MLOAD", _STATE + 32 * i), name))
        code.block([("", ("MSTORE", _STATE + 32 * i, total))])
    for _ in _STATE_NAMES:
        code.pop()
    code.block([("block", ("ADD", _BLOCK, "block"))])
    code.jump_if(("LT", "block", "end"), "block")
    words = [("MLOAD", _STATE + 32 * i) for i in range(6)]
    first: Expression = words[3]
    for i, shift in ((2, 64), (1, 128), (0, 192)):
        first = ("OR", ("SHL", shift, words[i]), first)
    code.block(
        [
            ("", ("MSTORE", 0, first)),
            ("", ("MSTORE", 32, ("OR", ("SHL", 192, words[4]), ("SHL", 128, words[5])))),
            ("", ("RETURN", 0, 48)),
        ]
    )
    return code.build()
