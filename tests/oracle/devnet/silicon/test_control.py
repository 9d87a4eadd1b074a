from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.crl import parse_crl
from oracle.attestation.codecs.dcap import split_quote
from oracle.attestation.codecs.pcs import parse_tcb_info
from oracle.devnet.silicon import quotes
from oracle.devnet.silicon.collateral import FIRST_NUMBER
from oracle.devnet.silicon.control import FORMS, RequestRefused, obey
from oracle.devnet.silicon.lifecycle import PUBLISHING_INTERVAL, Lifecycle
from oracle.devnet.silicon.quotes import QuoteForm
from oracle.devnet.silicon.vendor import SiliconVendor

NOW = datetime(2031, 6, 1, 12, 30, 15, tzinfo=UTC)


@pytest.fixture
def lifecycle() -> Lifecycle:
    return Lifecycle(SiliconVendor(now=NOW), lambda: NOW)


def _ask(lifecycle: Lifecycle, event: str, **arguments: Any) -> dict[str, Any]:
    answer = obey(lifecycle, {"control": event, **arguments})
    assert answer.pop("done") == event
    return answer


def _quote(lifecycle: Lifecycle, tee: TeeKind) -> bytes:
    return lifecycle.vendor.quote(tee, measurement=bytes(48), report_data=bytes(64))


def test_the_machine_is_revoked(lifecycle: Lifecycle) -> None:
    assert _ask(lifecycle, "revoke-pck") == {}
    serial = lifecycle.vendor.chain.pck.certificate.serial_number
    assert parse_crl(lifecycle.published()[FIRST_NUMBER].pck_crl).serials == (serial,)


@pytest.mark.parametrize("name", ["platform-ca", "tcb-signer"])
def test_a_certificate_is_revoked_by_the_root(lifecycle: Lifecycle, name: str) -> None:
    _ask(lifecycle, "revoke-by-root", certificate=name)
    authority = getattr(lifecycle.vendor.chain, name.replace("-", "_"))
    serials = (authority.certificate.serial_number,)
    assert parse_crl(lifecycle.published()[FIRST_NUMBER].root_crl).serials == serials


def test_a_recovery_says_its_number_and_an_update_follows_it(lifecycle: Lifecycle) -> None:
    before = lifecycle.vendor.platform.components
    assert _ask(lifecycle, "recover-tcb") == {"number": FIRST_NUMBER + 1}
    _ask(lifecycle, "update-machine")
    assert lifecycle.vendor.platform.components[0] == before[0] + 1


def test_a_module_is_updated_under_trust_domains(lifecycle: Lifecycle) -> None:
    _ask(lifecycle, "form", form="tdx-v5-td15")
    _ask(lifecycle, "update-module")
    body = split_quote(_quote(lifecycle, TeeKind.TDX)).body
    assert (body[:16], body[584:600]) == (quotes.LAUNCH_TEE_TCB_SVN, quotes.UPDATED_TEE_TCB_SVN)


@pytest.mark.parametrize(("name", "form"), FORMS.items())
def test_every_form_can_be_chosen_for_its_tee_alone(
    lifecycle: Lifecycle, name: str, form: QuoteForm
) -> None:
    _ask(lifecycle, "form", form=name)
    other = TeeKind.TDX if form.tee is TeeKind.SGX else TeeKind.SGX
    quote = split_quote(_quote(lifecycle, form.tee))
    version = int.from_bytes(_quote(lifecycle, form.tee)[:2], "little")
    assert (version, len(quote.body)) == (form.version, form.body_size)
    oldest = QuoteForm.oldest(other).version
    assert int.from_bytes(_quote(lifecycle, other)[:2], "little") == oldest


def test_collateral_is_published_with_an_age_and_a_life(lifecycle: Lifecycle) -> None:
    answer = _ask(lifecycle, "publish", age_s=86_400, life_s=86_430)
    now = int(NOW.timestamp())
    assert answer == {"issued_at": now - 86_400}
    info = parse_tcb_info(lifecycle.published()[FIRST_NUMBER].tcb_info[TeeKind.TDX].text)
    assert (info.issued_at, info.next_update) == (now - 86_400, now + 30)
    assert _ask(lifecycle, "publish")["issued_at"] > now - 86_400


def test_publishing_stops(lifecycle: Lifecycle) -> None:
    before = lifecycle.published()
    _ask(lifecycle, "stop-publishing")
    _ask(lifecycle, "clock", offset_s=int(PUBLISHING_INTERVAL.total_seconds()))
    assert lifecycle.published() is before


@pytest.mark.parametrize("offset_s", [-86_400, 0, 30 * 86_400])
def test_the_clock_is_set(lifecycle: Lifecycle, offset_s: int) -> None:
    _ask(lifecycle, "clock", offset_s=offset_s)
    assert lifecycle.now == NOW + timedelta(seconds=offset_s)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"control": "explode"}, "control is 'explode', wanted revoke-pck, "),
        ({"control": 1}, "control is 1, wanted revoke-pck, "),
        ({"control": "revoke-pck", "serial": 1}, r"revoke-pck has \['serial'\], wanted \[\]"),
        ({"control": "clock"}, r"clock has \[\], wanted \['offset_s'\]"),
        ({"control": "clock", "offset_s": True}, "offset_s is True, wanted -3153600000 to"),
        ({"control": "clock", "offset_s": 2**40}, "offset_s is 1099511627776, wanted"),
        ({"control": "publish", "life_s": 0}, "life_s is 0, wanted 1 to 3153600000"),
        ({"control": "publish", "age_s": "1"}, "age_s is '1', wanted 1 to 3153600000"),
        ({"control": "publish", "since": 1}, r"publish has \['since'\], wanted \['age_s', 'life"),
        ({"control": "form", "form": "snp"}, "form is 'snp', wanted sgx-v3, sgx-v4"),
        ({"control": "form", "form": 3}, "form is 3, wanted sgx-v3, sgx-v4"),
        (
            {"control": "revoke-by-root", "certificate": "root"},
            "certificate is 'root', wanted platform-ca, tcb-signer",
        ),
    ],
)
def test_what_means_nothing_is_refused_and_changes_nothing(
    lifecycle: Lifecycle, request_: dict[str, Any], said: str
) -> None:
    before = (lifecycle.published(), lifecycle.now)
    with pytest.raises(RequestRefused, match=said):
        obey(lifecycle, request_)
    assert (lifecycle.published(), lifecycle.now) == before
