"""What the doctor finds of a machine by the vendor's documents."""

from datetime import timedelta

import pytest

from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.dcap import DcapQuote, split_quote
from oracle.attestation.codecs.tcb_tables import TcbStatus
from oracle.attestation.endorsements.documents import DocumentKind
from oracle.attestation.endorsements.pcs import fetch_collateral
from oracle.chain.base import Image
from oracle.cli.findings import Verdict
from oracle.cli.platform_checks import appraise, judge
from oracle.devnet.silicon.vendor import SiliconVendor
from tests.fakes.pcs import NOW, FakeService, machine

UP_TO_DATE_ALONE = 1 << TcbStatus.UP_TO_DATE


def _quote(vendor: SiliconVendor) -> DcapQuote:
    raw = vendor.quote(TeeKind.TDX, measurement=b"\x01" * 48, report_data=bytes(64))
    return split_quote(raw)


async def test_the_status_under_each_number_is_found() -> None:
    vendor = SiliconVendor(now=NOW)
    vendor.collateral.recover_tcb(now=NOW)
    service = FakeService(vendor, now=NOW + timedelta(hours=1), standard=17)
    documents = await fetch_collateral(service, "https://x", machine(vendor), lambda *_: (18,))
    statuses = appraise(_quote(vendor), documents)
    assert statuses == {17: TcbStatus.UP_TO_DATE, 18: TcbStatus.OUT_OF_DATE}
    without = [each for each in documents if each.kind is not DocumentKind.QE_IDENTITY]
    assert appraise(_quote(vendor), without) == {}


@pytest.mark.parametrize(
    ("statuses", "is_live", "verdict"),
    [
        ({17: TcbStatus.UP_TO_DATE}, True, Verdict.OK),
        ({17: TcbStatus.UP_TO_DATE, 18: TcbStatus.OUT_OF_DATE}, True, Verdict.NOTE),
        ({17: TcbStatus.OUT_OF_DATE, 18: TcbStatus.OUT_OF_DATE}, True, Verdict.FAIL),
        ({17: TcbStatus.REVOKED}, True, Verdict.FAIL),
        # Whose requirements are not known yet.
        ({17: TcbStatus.OUT_OF_DATE}, False, Verdict.OK),
    ],
)
def test_a_status_that_the_image_demands_is_enough(
    statuses: dict[int, TcbStatus], is_live: bool, verdict: Verdict
) -> None:
    finding = judge(statuses, Image(60, is_live, statuses=UP_TO_DATE_ALONE))
    assert finding.verdict is verdict
    for number, status in statuses.items():
        assert f"{status.name} under number {number}" in finding.seen
    assert ("update firmware" in finding.mend) is (verdict is not Verdict.OK)
