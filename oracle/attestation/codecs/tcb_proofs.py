"""Proofs of TCB levels against the digests of `IntelCollateral`; see `TcbProof.sol`.

A proof of a level is the packed levels up to the first that is met, and the root of the rest.
"""

from collections.abc import Sequence

from enclave.domain.errors import AppraisalFailed
from oracle.attestation.codecs.tcb_tables import (
    PlatformLevel,
    SvnLevel,
    TcbInfo,
    TdxModule,
    chain_root,
)


def find_platform_level(
    levels: Sequence[PlatformLevel], *, sgx: bytes, tdx: bytes, pcesvn: int
) -> int:
    """Index of the first level that is met in every version.

    Args:
        levels: Of a TCB info.
        sgx: 16 component versions of the platform.
        tdx: 16 component versions; zeros for SGX.
        pcesvn: Of the platform.

    Raises:
        AppraisalFailed: No level is met.
    """
    for index, level in enumerate(levels):
        wanted = level.sgx + level.tdx
        pairs = zip(sgx + tdx, wanted, strict=True)
        if pcesvn >= level.grade.svn and all(seen >= least for seen, least in pairs):
            return index
    raise AppraisalFailed(f"none of {len(levels)} TCB levels is met")


def find_svn_level(levels: Sequence[SvnLevel], svn: int) -> int:
    """Index of the first level that is met.

    Raises:
        AppraisalFailed: No level is met.
    """
    for index, level in enumerate(levels):
        if svn >= level.svn:
            return index
    raise AppraisalFailed(f"version {svn} meets none of {len(levels)} levels")


def level_proof(levels: Sequence[PlatformLevel] | Sequence[SvnLevel], index: int) -> bytes:
    """The levels up to an index, and the root of the rest."""
    packed = [level.packed for level in levels]
    return b"".join(packed[: index + 1]) + chain_root(packed[index + 1 :])


def find_module(info: TcbInfo, number: int) -> int:
    """Index of a TDX module.

    Args:
        info: Of TDX.
        number: Major version of the module; 0 for `tdxModule`, which has no levels.

    Raises:
        AppraisalFailed: No such module.
    """
    numbers = [module.id for module in info.modules]
    if number not in numbers:
        raise AppraisalFailed(f"TDX module {number} is none of {numbers}")
    return numbers.index(number)


def module_proof(info: TcbInfo, index: int) -> bytes:
    """A TDX module, without the proof of its level that follows unless it is `tdxModule`."""
    links = [_link(each) for each in info.modules]
    tail = chain_root(links[index + 1 :])
    return bytes((index,)) + b"".join(links[:index]) + info.modules[index].head + tail


def _link(module: TdxModule) -> bytes:
    return module.head + chain_root([level.packed for level in module.levels])
