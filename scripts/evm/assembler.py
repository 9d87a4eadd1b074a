"""A small assembler for EVM code that a compiler would spill or run out of memory on.

Code is written in statements over expressions; the assembler keeps the names of what lies on the
stack, so that nobody counts. An expression is a number, the name of a value on the stack, or
`(OP, operand, ...)` with the operand that the EVM takes from the top first. Operands are computed
from the last to the first, as in Yul. The last use of a value in a block takes it from its place
where that costs nothing; a value that nobody uses any more is dropped as soon as it lies on top.

`("EXCHANGE", name, expression)` is what the named value was, which from there on is the expression.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

Expression: TypeAlias = "int | str | tuple[Expression, ...]"

#: Opcode, operands, results. Reference: Ethereum yellow paper, appendix H; EIP-3855, EIP-5656.
_OPS: Final[dict[str, tuple[int, int, int]]] = {
    "ADD": (0x01, 2, 1),
    "MUL": (0x02, 2, 1),
    "SUB": (0x03, 2, 1),
    "DIV": (0x04, 2, 1),
    "ADDMOD": (0x08, 3, 1),
    "MULMOD": (0x09, 3, 1),
    "LT": (0x10, 2, 1),
    "GT": (0x11, 2, 1),
    "EQ": (0x14, 2, 1),
    "ISZERO": (0x15, 1, 1),
    "AND": (0x16, 2, 1),
    "OR": (0x17, 2, 1),
    "XOR": (0x18, 2, 1),
    "NOT": (0x19, 1, 1),
    "BYTE": (0x1A, 2, 1),
    "SHL": (0x1B, 2, 1),
    "SHR": (0x1C, 2, 1),
    "SAR": (0x1D, 2, 1),
    "CALLDATALOAD": (0x35, 1, 1),
    "CALLDATASIZE": (0x36, 0, 1),
    "CALLDATACOPY": (0x37, 3, 0),
    "EXTCODECOPY": (0x3C, 4, 0),
    "MLOAD": (0x51, 1, 1),
    "MSTORE": (0x52, 2, 0),
    "MSTORE8": (0x53, 2, 0),
    "MCOPY": (0x5E, 3, 0),
    "RETURN": (0xF3, 2, 0),
    "REVERT": (0xFD, 2, 0),
}
_COMMUTATIVE: Final = frozenset({"ADD", "MUL", "EQ", "AND", "OR", "XOR"})
_POP, _JUMP, _JUMPI, _JUMPDEST, _PUSH0, _DUP0, _SWAP0 = 0x50, 0x56, 0x57, 0x5B, 0x5F, 0x7F, 0x8F
_REACH = 16
_TABLE = 16
#: The name of a value that is an operand of what is being computed.
_OPERAND = ""


class Assembler:
    """Code that grows; see the module's docstring.

    Args:
        constants: Names of long numbers that may lie on the stack, and are then copied from there.
    """

    def __init__(self, constants: Mapping[int, str] = MappingProxyType({})) -> None:
        self._constants = constants
        self._items: list[bytes | tuple[str, str]] = []
        self._stack: list[str] = []
        self._uses: list[str] = []
        self._kept: frozenset[str] = frozenset()

    @property
    def stack(self) -> tuple[str, ...]:
        """Names of what lies on the stack, the top last."""
        return tuple(self._stack)

    def enter(self, label: str, stack: Sequence[str]) -> None:
        """Place a label that is jumped to with this on the stack."""
        self._items.append(("label", label))
        self._stack = list(stack)

    def block(
        self, statements: Iterable[tuple[str, Expression]], *, drop: bool = True, limit: int = 13
    ) -> None:
        """Straight-line statements; what they name and nobody uses afterwards is gone at the end.

        Args:
            statements: (name, expression): a new value, or a new content for one that was there
                before the block; ("", expression): an instruction without a result.
            drop: Whether the block's own values are dropped; otherwise they stay, used or not.
            limit: Values on the stack above which used ones are dropped from below others, too.
        """
        lines = list(statements)
        before = set(self._stack)
        self._kept = frozenset(before if drop else before | {name for name, _ in lines})
        self._uses = [name for _, expression in lines for name in _names(expression)]
        for name, expression in lines:
            self._compute(expression, pending=0)
            if name in before:
                self._assign(name)
            elif name:
                self._stack[-1] = name
            self._drop_dead(limit)
        if drop:
            for name in [each for each in self._stack if each not in before]:
                self._remove(name)

    def pop(self) -> None:
        """Drop what lies on top."""
        self._remove(self._stack[-1])

    def jump(self, label: str) -> None:
        """Jump."""
        self._items += [("push", label), bytes((_JUMP,))]

    def jump_if(self, condition: Expression, label: str) -> None:
        """Jump if a condition, computed from what stays on the stack, is not zero."""
        self._kept, self._uses = frozenset(self._stack), list(_names(condition))
        self._compute(condition, pending=0)
        self._items += [("push", label), bytes((_JUMPI,))]
        self._stack.pop()

    def jump_by_table(self, index: Expression, labels: Sequence[str]) -> None:
        """Jump to one of 16 labels; an index beyond them is no jump, and takes all gas."""
        if len(labels) != _TABLE:
            raise ValueError(f"{len(labels)} labels, wanted {_TABLE}")
        self._kept, self._uses = frozenset(self._stack), list(_names(index))
        self._items.append(("table", " ".join(labels)))
        self._stack.append(_OPERAND)
        self._compute(("SHL", 4, index), pending=1)
        self._emit(_OPS["SHR"][0])
        self._push(0xFFFF)
        self._emit(_OPS["AND"][0], _JUMP)
        del self._stack[-2:]

    def build(self) -> bytes:
        """The code.

        Raises:
            ValueError: A label that is not there, or code above 24,576 bytes.
        """
        places, size = {}, 0
        for item in self._items:
            if isinstance(item, tuple) and item[0] == "label":
                places[item[1]] = size
            size += _size(item)
        code = b"".join(_encoded(item, places) for item in self._items)
        if len(code) > 24_576:
            raise ValueError(f"code of {len(code)} bytes, wanted at most 24576")
        return code

    def _compute(self, expression: Expression, *, pending: int) -> None:
        if isinstance(expression, int):
            self._constant(expression)
        elif isinstance(expression, str):
            self._fetch(expression, pending)
        else:
            name, *operands = expression
            if name == "EXCHANGE":
                self._exchange(operands, pending)
                return
            opcode, wanted, results = _OPS[str(name)]
            if len(operands) != wanted:
                raise ValueError(f"{name} with {len(operands)} operands, wanted {wanted}")
            for done, operand in enumerate(reversed(operands)):
                if done == 1 and name in _COMMUTATIVE and pending == 0 and self._is_below(operand):
                    continue
                self._compute(operand, pending=pending + done)
            self._emit(opcode)
            del self._stack[len(self._stack) - wanted :]
            self._stack += [_OPERAND] * results

    def _exchange(self, operands: Sequence[Expression], pending: int) -> None:
        kept, replacement = operands
        self._compute(replacement, pending=pending)
        self._uses.remove(str(kept))
        depth = self._stack[::-1].index(str(kept))
        self._swap(depth)
        self._stack[-1], self._stack[-1 - depth] = _OPERAND, str(kept)

    def _is_below(self, operand: Expression) -> bool:
        """Take a value where it is: last used here, and right below the other operand."""
        if not isinstance(operand, str) or self._stack[-2:-1] != [operand]:
            return False
        self._uses.remove(operand)
        if self._is_dead(operand):
            return True
        self._uses.append(operand)
        return False

    def _constant(self, value: int) -> None:
        name = self._constants.get(value)
        if name in self._stack[-_REACH:]:
            self._emit(_DUP0 + self._stack[::-1].index(name) + 1)
        else:
            self._push(value)
        self._stack.append(_OPERAND)

    def _fetch(self, name: str, pending: int) -> None:
        self._uses.remove(name)
        depth = self._stack[::-1].index(name)
        if self._is_dead(name) and depth <= _REACH and (pending == 0 or pending == depth == 1):
            if depth:
                self._swap(depth)
            self._stack[-1] = _OPERAND
            return
        if depth >= _REACH:
            raise ValueError(f"{name} is out of reach in {self._stack}")
        self._emit(_DUP0 + depth + 1)
        self._stack.append(_OPERAND)

    def _assign(self, name: str) -> None:
        depth = self._stack[::-1].index(name)
        self._emit(_SWAP0 + depth, _POP)
        self._stack.pop()

    def _drop_dead(self, limit: int) -> None:
        while self._stack and self._is_dead(self._stack[-1]):
            self._remove(self._stack[-1])
        for name in [each for each in self._stack if self._is_dead(each)]:
            if len(self._stack) > limit:
                self._remove(name)

    def _is_dead(self, name: str) -> bool:
        return name not in self._uses and name not in self._kept

    def _remove(self, name: str) -> None:
        depth = self._stack[::-1].index(name)
        if depth:
            self._swap(depth)
        self._emit(_POP)
        self._stack.pop()

    def _swap(self, depth: int) -> None:
        if depth > _REACH:
            raise ValueError(f"{self._stack[-1 - depth]} is out of reach in {self._stack}")
        self._emit(_SWAP0 + depth)
        stack = self._stack
        stack[-1], stack[-1 - depth] = stack[-1 - depth], stack[-1]

    def _push(self, value: int) -> None:
        size = (value.bit_length() + 7) // 8
        self._items.append(bytes((_PUSH0 + size,)) + value.to_bytes(size, "big"))

    def _emit(self, *opcodes: int) -> None:
        self._items.append(bytes(opcodes))


def _names(expression: Expression) -> Iterator[str]:
    """Names in an expression, in no order that matters."""
    if isinstance(expression, str):
        yield expression
    elif isinstance(expression, tuple):
        for operand in expression[1:]:
            yield from _names(operand)


def _size(item: bytes | tuple[str, str]) -> int:
    if isinstance(item, bytes):
        return len(item)
    return {"label": 1, "push": 3, "table": 33}[item[0]]


def _encoded(item: bytes | tuple[str, str], places: dict[str, int]) -> bytes:
    if isinstance(item, bytes):
        return item
    kind, label = item
    if kind == "label":
        return bytes((_JUMPDEST,))
    if kind == "push":
        return b"\x61" + places[label].to_bytes(2, "big")
    table = sum(places[each] << 16 * at for at, each in enumerate(label.split()))
    return b"\x7f" + table.to_bytes(32, "big")
