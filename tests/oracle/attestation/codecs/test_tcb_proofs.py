from dataclasses import replace
from datetime import UTC, datetime

import pytest

from enclave.domain.errors import AppraisalFailed
from enclave.domain.evidence import TeeKind
from enclave.domain.report import keccak256
from oracle.attestation.codecs.tcb_proofs import (
    find_module,
    find_platform_level,
    find_svn_level,
    level_proof,
    module_proof,
)
from oracle.attestation.codecs.tcb_tables import (
    TcbInfo,
    TcbStatus,
    chain_root,
)
from oracle.devnet.silicon.vendor import SiliconVendor

NOW = datetime(2031, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def info() -> TcbInfo:
    """Two levels, of which the machine meets the second."""
    vendor = SiliconVendor(now=NOW)
    vendor.collateral.recover_tcb(now=NOW)
    return vendor.collateral.tcb_info(TeeKind.TDX, NOW, vendor.collateral.number)


def test_the_first_level_that_is_met_is_found(info: TcbInfo) -> None:
    first, second = info.levels
    for level, wanted in ((first, 0), (second, 1)):
        found = find_platform_level(info.levels, sgx=level.sgx, tdx=level.tdx, pcesvn=13)
        assert found == wanted
    assert info.levels[1].grade.status is TcbStatus.OUT_OF_DATE


def test_one_version_below_is_not_met(info: TcbInfo) -> None:
    level = info.levels[1]

    def lower(versions: bytes) -> bytes:
        return bytes((versions[0] - 1,)) + versions[1:]

    for sgx, tdx, pcesvn in (
        (lower(level.sgx), level.tdx, 13),
        (level.sgx, lower(level.tdx), 13),
        (level.sgx, level.tdx, 12),
    ):
        with pytest.raises(AppraisalFailed, match="none of 2"):
            find_platform_level(info.levels, sgx=sgx, tdx=tdx, pcesvn=pcesvn)


def test_svn_levels_are_searched_in_order(info: TcbInfo) -> None:
    levels = info.modules[1].levels
    assert [find_svn_level(levels, svn) for svn in (6, 5, 4, 2)] == [0, 0, 1, 1]
    with pytest.raises(AppraisalFailed, match="version 1"):
        find_svn_level(levels, 1)


def test_a_proof_leads_to_the_root(info: TcbInfo) -> None:
    for index in range(2):
        proof = level_proof(info.levels, index)
        shown = [proof[i * 72 : i * 72 + 72] for i in range(index + 1)]
        root = proof[-32:]
        for level in reversed(shown):
            root = keccak256(level + root)
        assert root == info.levels_root
        assert len(proof) == 72 * (index + 1) + 32


def test_a_module_proof_leads_to_the_root(info: TcbInfo) -> None:
    for number, skipped in ((3, 0), (1, 1), (0, 2)):
        assert find_module(info, number) == skipped
        proof = module_proof(info, skipped)
        assert proof[0] == skipped
        start = 1 + 97 * skipped
        head, tail = proof[start:][:65], proof[start + 65 :]
        assert (head[0], len(tail)) == (number, 32)
        levels = info.modules[skipped].levels
        root = keccak256(head + chain_root([each.packed for each in levels]) + tail)
        for i in reversed(range(skipped)):
            root = keccak256(proof[1 + 97 * i :][:97] + root)
        assert root == info.modules_root


def test_an_unknown_module_is_refused(info: TcbInfo) -> None:
    with pytest.raises(AppraisalFailed, match="module 7"):
        find_module(info, 7)
    with pytest.raises(AppraisalFailed, match="module 0"):
        find_module(replace(info, modules=()), 0)
