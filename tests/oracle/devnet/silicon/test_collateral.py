"""The vendor's library takes what the emulated vendor publishes, and says what it should."""

import json
from datetime import UTC, datetime, timedelta

import dcap_qvl
import pytest

from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.crl import parse_crl
from oracle.attestation.codecs.pcs import parse_evaluation_numbers, parse_tcb_info
from oracle.devnet.silicon.collateral import FIRST_NUMBER, LIFE
from oracle.devnet.silicon.quotes import QuoteForm
from oracle.devnet.silicon.vendor import SiliconVendor

NOW = datetime(2031, 6, 1, 12, 30, 15, tzinfo=UTC)
TEES = [TeeKind.SGX, TeeKind.TDX]


@pytest.fixture
def vendor() -> SiliconVendor:
    return SiliconVendor(now=NOW)


def _verified(
    vendor: SiliconVendor,
    form: TeeKind | QuoteForm,
    *,
    now: datetime = NOW,
    number: int | None = None,
) -> tuple[str, list[str]]:
    """Status and advisories of a quote of the machine, by what was published at `NOW`."""
    office = vendor.collateral
    tee = form.tee if isinstance(form, QuoteForm) else form
    quote = vendor.quote(form, measurement=bytes(range(48)), report_data=bytes(64))
    fields = office.quote_collateral(tee, office.publish(now=NOW, number=number))
    collateral = dcap_qvl.QuoteCollateralV3.from_json(json.dumps(fields))
    root = vendor.chain.root.der
    report = dcap_qvl.verify_with_root_ca(quote, collateral, root, int(now.timestamp()))
    return report.status, list(report.advisory_ids)


@pytest.mark.parametrize("form", QuoteForm)
def test_the_machine_is_up_to_date_at_first(vendor: SiliconVendor, form: QuoteForm) -> None:
    if form.tee is TeeKind.SGX and form.version > 3:
        # The reference reads these and verifies none; they are in the format's description.
        with pytest.raises(ValueError, match="SGX TEE quote must have version 3"):
            _verified(vendor, form)
        return
    assert _verified(vendor, form) == ("UpToDate", [])


@pytest.mark.parametrize("tee", TEES)
def test_a_recovery_puts_the_machine_out_of_date(vendor: SiliconVendor, tee: TeeKind) -> None:
    vendor.collateral.recover_tcb(now=NOW)
    assert _verified(vendor, tee) == ("OutOfDate", ["INTEL-SA-99999"])
    # Not yet under the number before it.
    assert _verified(vendor, tee, number=FIRST_NUMBER) == ("UpToDate", [])


@pytest.mark.parametrize("tee", TEES)
def test_a_revoked_machine_is_refused(vendor: SiliconVendor, tee: TeeKind) -> None:
    vendor.collateral.revoke_pck()
    with pytest.raises(ValueError, match="Revoked"):
        _verified(vendor, tee)


def test_another_revoked_machine_changes_nothing(vendor: SiliconVendor) -> None:
    vendor.collateral.revoke_pck(12_345)
    assert _verified(vendor, TeeKind.SGX) == ("UpToDate", [])
    assert parse_crl(vendor.collateral.publish(now=NOW).pck_crl).serials == (12_345,)


def test_a_ca_revoked_by_the_root_is_refused(vendor: SiliconVendor) -> None:
    vendor.collateral.revoke_by_root(vendor.chain.platform_ca.certificate.serial_number)
    with pytest.raises(ValueError, match="Revoked"):
        _verified(vendor, TeeKind.SGX)


def test_documents_end_after_their_life(vendor: SiliconVendor) -> None:
    _verified(vendor, TeeKind.SGX, now=NOW + LIFE - timedelta(seconds=1))
    with pytest.raises(ValueError, match="expired"):
        _verified(vendor, TeeKind.SGX, now=NOW + LIFE + timedelta(seconds=1))


def test_numbers_are_listed_newest_first(vendor: SiliconVendor) -> None:
    vendor.collateral.recover_tcb(now=NOW)
    published = vendor.collateral.publish(now=NOW)
    numbers = parse_evaluation_numbers(published.numbers[TeeKind.TDX].text)
    assert [entry.number for entry in numbers.numbers] == [FIRST_NUMBER + 1, FIRST_NUMBER]
    assert numbers.numbers[0].recovery_at == int(NOW.timestamp())
    newest = parse_tcb_info(published.tcb_info[TeeKind.TDX].text)
    assert newest.number == vendor.collateral.number == FIRST_NUMBER + 1
