"""The vendor's library takes what the emulated vendor publishes, and says what it should."""

import json
from datetime import UTC, datetime, timedelta

import dcap_qvl
import pytest

from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.crl import parse_crl
from oracle.attestation.codecs.pcs import (
    parse_evaluation_numbers,
    parse_qe_identity,
    parse_tcb_info,
)
from oracle.devnet.silicon.collateral import FIRST_NUMBER, LIFE, ROOT_CRL_LIFE
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
def test_each_number_demands_its_own_and_an_update_meets_the_newest(
    vendor: SiliconVendor, tee: TeeKind
) -> None:
    vendor.collateral.recover_tcb(now=NOW)
    before = vendor.chain
    vendor.update_machine(now=NOW)
    assert vendor.chain.pck.key is not before.pck.key
    assert vendor.chain.pck.certificate != before.pck.certificate
    vendor.collateral.recover_tcb(now=NOW + timedelta(days=1))
    seen = {
        number: _verified(vendor, tee, number=number)
        for number in range(FIRST_NUMBER, FIRST_NUMBER + 3)
    }
    assert seen == {
        FIRST_NUMBER: ("UpToDate", []),
        FIRST_NUMBER + 1: ("UpToDate", []),
        FIRST_NUMBER + 2: ("OutOfDate", ["INTEL-SA-99999"]),
    }
    vendor.update_machine(now=NOW)
    assert _verified(vendor, tee) == ("UpToDate", [])
    newest = vendor.collateral.tcb_info(tee, NOW, vendor.collateral.number)
    assert [level.sgx[0] for level in newest.levels] == [16, 15, 14]


def test_components_without_room_make_no_recovery(vendor: SiliconVendor) -> None:
    for _ in range(255 - vendor.platform.components[0]):
        vendor.collateral.recover_tcb(now=NOW)
    with pytest.raises(ValueError, match="255 already"):
        vendor.collateral.recover_tcb(now=NOW)
    assert vendor.collateral.required[0] == 255


def test_only_the_certificate_of_the_time_is_revoked(vendor: SiliconVendor) -> None:
    vendor.collateral.revoke_pck()
    vendor.update_machine(now=NOW)
    assert _verified(vendor, TeeKind.SGX) == ("UpToDate", [])


def test_an_updated_module_advises_trust_domains_to_begin_anew(vendor: SiliconVendor) -> None:
    vendor.update_module()
    assert _verified(vendor, QuoteForm.TDX_V5_TD15)[0] == "TDRelaunchAdvised"
    # A TD 1.0 report knows nothing of the update.
    assert _verified(vendor, QuoteForm.TDX_V5_TD10)[0] == "OutOfDate"


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


def test_a_shorter_life_leaves_the_root_list_alone(vendor: SiliconVendor) -> None:
    published = vendor.collateral.publish(now=NOW, life=timedelta(minutes=5))
    end = int(NOW.timestamp()) + 300
    for tee in TEES:
        assert parse_tcb_info(published.tcb_info[tee].text).next_update == end
        assert parse_qe_identity(published.qe_identity[tee].text).next_update == end
        assert parse_evaluation_numbers(published.numbers[tee].text).next_update == end
    assert parse_crl(published.pck_crl).next_update == end
    assert parse_crl(published.root_crl).next_update == int((NOW + ROOT_CRL_LIFE).timestamp())


def test_numbers_are_listed_newest_first(vendor: SiliconVendor) -> None:
    vendor.collateral.recover_tcb(now=NOW)
    published = vendor.collateral.publish(now=NOW)
    numbers = parse_evaluation_numbers(published.numbers[TeeKind.TDX].text)
    assert [entry.number for entry in numbers.numbers] == [FIRST_NUMBER + 1, FIRST_NUMBER]
    assert numbers.numbers[0].recovery_at == int(NOW.timestamp())
    newest = parse_tcb_info(published.tcb_info[TeeKind.TDX].text)
    assert newest.number == vendor.collateral.number == FIRST_NUMBER + 1
