"""halmos with the one opcode of Osaka that it lacks: CLZ (EIP-7939), which `Quorum` uses."""

import inspect
import sys
import textwrap

from halmos import sevm
from halmos.__main__ import main
from halmos.bitvec import HalmosBitVec
from z3 import BitVecRef, BitVecVal, Extract, If

OP_CLZ = 0x1E
WORD_BITS = 256
#: The branch before which the new one is put, and the new one; as in the body of `SEVM.run`.
BRANCH = "elif opcode == OP_SAR:\n"
CLZ_BRANCH = f"elif opcode == {OP_CLZ}:\n    state.push(clz(state.popi()))\n"


def clz(word: HalmosBitVec) -> HalmosBitVec:
    """The zero bits before the highest bit that is set; 256 if none is."""
    if word.is_concrete:
        return HalmosBitVec(WORD_BITS - int(word.value).bit_length(), size=WORD_BITS)
    raw: BitVecRef = word.as_z3()
    count = BitVecVal(WORD_BITS, WORD_BITS)
    for bit in range(WORD_BITS):
        is_set = Extract(bit, bit, raw) == 1
        count = If(is_set, BitVecVal(WORD_BITS - 1 - bit, WORD_BITS), count)
    return HalmosBitVec(count, size=WORD_BITS)


def add_clz() -> None:
    """Give `SEVM.run` one more branch; refuse a halmos whose code is not as expected."""
    source = textwrap.dedent(inspect.getsource(sevm.SEVM.run))
    if source.count(BRANCH) != 1 or "OP_CLZ" in source:
        sys.exit(f"halmos: seen another SEVM.run, wanted one {BRANCH.strip()!r} and no CLZ")
    line_start = source.rindex("\n", 0, source.index(BRANCH)) + 1
    indent = source[line_start : source.index(BRANCH)]
    source = source[:line_start] + textwrap.indent(CLZ_BRANCH, indent) + source[line_start:]
    names = vars(sevm) | {"clz": clz}
    exec(compile(source, sevm.__file__, "exec"), names)  # The package's own code.
    sevm.SEVM.run = names["run"]


if __name__ == "__main__":
    add_clz()
    sys.exit(main())
