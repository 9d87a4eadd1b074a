"""A folder as a source; the service has its own test, over a socket."""

from pathlib import Path

import pytest

from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.tcb_tables import EvaluationNumbers, QeIdentity, TcbInfo
from oracle.attestation.endorsements.errors import CollateralUnavailable
from oracle.attestation.endorsements.pcs import PckCa, Platform
from oracle.collateral.source import Folder, Service, open_source
from oracle.devnet.silicon.vendor import SiliconVendor
from tests.fakes.pcs import NOW, machine, write_folder

VENDOR = SiliconVendor(now=NOW)


@pytest.mark.parametrize("tee", [TeeKind.SGX, TeeKind.TDX])
async def test_a_folder_gives_what_concerns_the_machine(tmp_path: Path, tee: TeeKind) -> None:
    write_folder(tmp_path, VENDOR)
    documents = await Folder(tmp_path).fetch(machine(VENDOR, tee), lambda *_: ())
    contents = [each.content for each in documents]
    levels = [each for each in contents if isinstance(each, TcbInfo | QeIdentity)]
    numbers = [each for each in contents if isinstance(each, EvaluationNumbers)]
    assert [each.tee for each in (*levels, *numbers)] == [tee] * 3
    assert len(documents) == 7


async def test_a_folder_without_the_machine_says_so(tmp_path: Path) -> None:
    write_folder(tmp_path, VENDOR)
    other = Platform(TeeKind.TDX, bytes(6), PckCa.PLATFORM)
    with pytest.raises(CollateralUnavailable, match="no TDX TCB info for FMSPC 000000000000"):
        await Folder(tmp_path).fetch(other, lambda *_: ())


def test_a_source_is_a_service_or_a_folder() -> None:
    assert open_source("https://x", timeout_s=3.0) == Service("https://x", 3.0)
    assert open_source(Path("/x"), timeout_s=3.0) == Folder(Path("/x"))
