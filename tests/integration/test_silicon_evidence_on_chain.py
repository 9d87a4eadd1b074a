"""Quotes of the emulated vendor, good and bad in one thing each, are judged as they should be."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oracle.attestation.codecs.dcap import parse_certificate
from oracle.attestation.codecs.pcs import (
    SignedText,
    parse_evaluation_numbers,
    parse_qe_identity,
    parse_tcb_info,
)
from oracle.attestation.codecs.tcb_tables import STATUS_NAMES, QeIdentity, TcbInfo, TcbStatus
from oracle.devnet.silicon.collateral import FIRST_NUMBER, LIFE, PublishedCollateral
from oracle.devnet.silicon.documents import render_qe_identity, render_tcb_info
from oracle.devnet.silicon.quotes import (
    SAME_MODULE,
    UPDATED_MODULE,
    ModuleVersions,
    QuoteForm,
    enclave_body,
)
from oracle.devnet.silicon.vendor import SiliconVendor
from tests.integration.agreement import faults, table
from tests.integration.recorded_evidence import Recorded, SignedNumbers
from tests.integration.verdicts import judge

NOW = datetime(2031, 6, 1, 12, tzinfo=UTC)
FORMS = (QuoteForm.SGX_V3, QuoteForm.TDX_V4, QuoteForm.TDX_V5_TD15)
SERVICE_TD = slice(600, 648)


@dataclass(slots=True)
class Setting:
    """What a case is made of; a test alters one thing of it."""

    form: QuoteForm
    vendor: SiliconVendor
    modules: ModuleVersions = SAME_MODULE
    issued: datetime = NOW
    number: int | None = None
    alter_body: Callable[[bytearray], Any] = lambda body: None
    alter_info: Callable[[TcbInfo], TcbInfo] = lambda info: info
    alter_identity: Callable[[QeIdentity], QeIdentity] = lambda identity: identity

    def case(self, name: str, expected: str, **entry: Any) -> Recorded:
        """As if it had been recorded."""
        vendor, tee = self.vendor, self.form.tee
        published = self._published()
        signer = parse_certificate(vendor.chain.tcb_signer.der)
        document = published.numbers[tee]
        numbers = SignedNumbers(document, parse_evaluation_numbers(document.text), signer)
        moment = {"unix": int(NOW.timestamp())}
        return Recorded(
            name=f"{self.form.name.lower()}-{name}",
            entry={"expected": expected, "verifies_at": moment, "trust_root": "silicon", **entry},
            raw=vendor.sign_body(self.form, self._body()),
            root=vendor.chain.root.der,
            fields=vendor.collateral.quote_collateral(tee, published),
            numbers=numbers,
        )

    def _body(self) -> bytes:
        body = bytearray(
            enclave_body(
                self.form,
                cpu_svn=self.vendor.platform.components,
                measurement=bytes(48),
                data=bytes(64),
                module=self.modules,
            )
        )
        self.alter_body(body)
        return bytes(body)

    def _published(self) -> PublishedCollateral:
        office, tee = self.vendor.collateral, self.form.tee
        published = office.publish(now=self.issued, number=self.number)
        info = self.alter_info(parse_tcb_info(published.tcb_info[tee].text))
        identity = self.alter_identity(parse_qe_identity(published.qe_identity[tee].text))
        signed: list[SignedText] = [
            office.sign(render_tcb_info(info)),
            office.sign(render_qe_identity(identity)),
        ]
        return replace(published, tcb_info={tee: signed[0]}, qe_identity={tee: signed[1]})


def _setting(form: QuoteForm, **changes: Any) -> Setting:
    return Setting(form, SiliconVendor(now=NOW - timedelta(days=40)), **changes)


async def _holds(case: Recorded) -> None:
    verdict = await judge(case)
    print(*table(case, verdict), sep="\n")
    assert not list(faults(case, verdict))


@pytest.mark.parametrize("form", QuoteForm)
async def test_a_machine_that_is_up_to_date_is_accepted(form: QuoteForm) -> None:
    await _holds(_setting(form).case("good", "accept", tcb_status="UpToDate"))


@pytest.mark.parametrize("form", FORMS)
async def test_after_a_recovery_the_machine_is_out_of_date_under_the_new_number(
    form: QuoteForm,
) -> None:
    allowed = "OutOfDate allowed"
    others = [
        {"policy": f"TCB status {allowed}", "expected": "accept"},
        {"policy": f"{allowed} but advisory INTEL-SA-99999 denied", "expected": "reject"},
    ]
    setting = _setting(form)
    setting.vendor.collateral.recover_tcb(now=NOW)
    entry = {"tcb_status": "OutOfDate", "expected_under_other_policies": others}
    await _holds(setting.case("recovered", "reject", **entry))
    setting.number = FIRST_NUMBER
    await _holds(setting.case("standard", "accept", tcb_status="UpToDate"))


@pytest.mark.parametrize("form", FORMS)
async def test_whoever_is_revoked_is_refused(form: QuoteForm) -> None:
    setting = _setting(form)
    setting.vendor.collateral.revoke_pck()
    await _holds(setting.case("pck-revoked", "reject"))
    for name in ("platform_ca", "tcb_signer"):
        setting = _setting(form)
        authority = getattr(setting.vendor.chain, name)
        setting.vendor.collateral.revoke_by_root(authority.certificate.serial_number)
        await _holds(setting.case(f"{name}-revoked", "reject"))


@pytest.mark.parametrize("form", FORMS)
async def test_collateral_of_another_time_is_refused(form: QuoteForm) -> None:
    second = timedelta(seconds=1)
    await _holds(_setting(form, issued=NOW - LIFE - second).case("expired", "reject"))
    await _holds(_setting(form, issued=NOW + second).case("early", "reject"))


def _graded(status: TcbStatus) -> Callable[[TcbInfo], TcbInfo]:
    def alter(info: TcbInfo) -> TcbInfo:
        (level,) = info.levels
        grade = replace(level.grade, status=status, advisories=("INTEL-SA-00001",))
        return replace(info, levels=(replace(level, grade=grade),))

    return alter


def _enclave_graded(status: TcbStatus) -> Callable[[QeIdentity], QeIdentity]:
    def alter(identity: QeIdentity) -> QeIdentity:
        return replace(identity, levels=(replace(identity.levels[0], status=status),))

    return alter


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("status", [s for s in TcbStatus if s <= TcbStatus.REVOKED])
async def test_the_platforms_status_is_the_vendors(form: QuoteForm, status: TcbStatus) -> None:
    name = STATUS_NAMES[status]
    is_good = status is TcbStatus.UP_TO_DATE
    # No policy can accept a revoked platform.
    others = [{"policy": f"TCB status {name} allowed", "expected": "accept"}]
    entry = {"tcb_status": name, "expected_under_other_policies": others}
    if status is TcbStatus.REVOKED:
        del entry["expected_under_other_policies"]
    setting = _setting(form, alter_info=_graded(status))
    await _holds(setting.case(name, "accept" if is_good else "reject", **entry))


@pytest.mark.parametrize("status", [TcbStatus.OUT_OF_DATE, TcbStatus.REVOKED])
@pytest.mark.parametrize("form", FORMS)
async def test_the_quoting_enclaves_status_counts(form: QuoteForm, status: TcbStatus) -> None:
    setting = _setting(form, alter_identity=_enclave_graded(status))
    await _holds(setting.case(f"enclave-{status.name}", "reject", tcb_status=STATUS_NAMES[status]))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("at", [8, 40, 73])
async def test_another_quoting_enclave_is_refused(form: QuoteForm, at: int) -> None:
    def alter(identity: QeIdentity) -> QeIdentity:
        told = bytearray(identity.identity)
        told[at] ^= 0x20
        return replace(identity, identity=bytes(told))

    await _holds(_setting(form, alter_identity=alter).case(f"other-enclave-{at}", "reject"))


def _relaunch_cases() -> Iterator[Any]:
    needed = TcbStatus.CONFIGURATION_NEEDED
    yield pytest.param(None, "TDRelaunchAdvised", id="plain")
    yield pytest.param(_graded(needed), "TDRelaunchAdvisedConfigurationNeeded", id="configuration")


@pytest.mark.parametrize(("alter", "status"), list(_relaunch_cases()))
async def test_a_trust_domain_older_than_its_module_is_advised_to_relaunch(
    alter: Callable[[TcbInfo], TcbInfo] | None, status: str
) -> None:
    setting = _setting(QuoteForm.TDX_V5_TD15, modules=UPDATED_MODULE)
    if alter is not None:
        setting.alter_info = alter
    others = [{"policy": f"TCB status {status} allowed", "expected": "accept"}]
    entry = {"tcb_status": status, "expected_under_other_policies": others}
    await _holds(setting.case("relaunch", "reject", **entry))


@pytest.mark.parametrize("form", [QuoteForm.TDX_V4, QuoteForm.TDX_V5_TD10])
async def test_an_older_report_of_such_a_trust_domain_is_out_of_date(form: QuoteForm) -> None:
    setting = _setting(form, modules=UPDATED_MODULE)
    await _holds(setting.case("launch-alone", "reject", tcb_status="OutOfDate"))


@pytest.mark.parametrize("minor", [0, 1])
async def test_a_module_below_every_level_is_refused(minor: int) -> None:
    low = bytes((minor, 1, 6)) + bytes(13)
    for modules in (ModuleVersions(low, low), ModuleVersions(UPDATED_MODULE.present, low)):
        setting = _setting(QuoteForm.TDX_V5_TD15, modules=modules)
        await _holds(setting.case(f"module-{minor}", "reject"))


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [
        ("debug", 120, 0x01),
        ("profiled", 120, 0x02),
        ("no-sept-ve-disable", 123, 0x00),
        ("migratable", 123, 0x30),
        ("service-td", SERVICE_TD.start, 0x01),
        ("module-signer", 64, 0x01),
        ("module-attributes", 112, 0x01),
        ("unknown-module", 1, 0x07),
    ],
)
async def test_a_trust_domain_that_is_not_for_production_is_refused(
    name: str, at: int, value: int
) -> None:
    def alter(body: bytearray) -> None:
        body[at] = value

    setting = _setting(QuoteForm.TDX_V5_TD15, alter_body=alter)
    await _holds(setting.case(name, "reject"))


@pytest.mark.parametrize(("name", "flags"), [("debug", 0x07), ("provision", 0x15), ("raw", 0x04)])
async def test_an_enclave_that_is_not_for_production_is_refused(name: str, flags: int) -> None:
    def alter(body: bytearray) -> None:
        body[48] = flags

    await _holds(_setting(QuoteForm.SGX_V3, alter_body=alter).case(name, "reject"))
