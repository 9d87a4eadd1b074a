from datetime import UTC, datetime
from pathlib import Path

import pytest

from enclave.attesters.simulated import measure
from enclave.domain.evidence import TeeKind
from enclave.domain.report import keccak256
from oracle.attestation.codecs.dcap import split_quote
from oracle.devnet.silicon import SiliconVendor, measure_enclave
from oracle.devnet.silicon.quotes import QuoteForm
from oracle.devnet.silicon.vendor import predict_image_id

ENCLAVE = Path(__file__).parents[4] / "enclave"
MEASUREMENT = bytes(range(48))


@pytest.fixture(scope="module")
def vendor() -> SiliconVendor:
    return SiliconVendor(now=datetime(2031, 6, 1, tzinfo=UTC))


def _folder(path: Path) -> Path:
    (path / "ca").mkdir(parents=True)
    (path / "domain").mkdir()
    for name in ("__init__.py", "domain/feed.py", "requirements.lock", "ca/roots.pem"):
        (path / name).write_text(name)
    return path


def test_constants_are_those_of_the_root_in_the_quote(vendor: SiliconVendor) -> None:
    quote = split_quote(vendor.quote(TeeKind.TDX, measurement=MEASUREMENT, report_data=bytes(64)))
    assert quote.root is not None
    assert vendor.constants.root_certificate == quote.root.der
    signer = vendor.chain.tcb_signer.certificate
    assert vendor.constants.signer_name == keccak256(signer.subject.public_bytes())


@pytest.mark.parametrize("tee", [TeeKind.SGX, TeeKind.TDX, *QuoteForm])
def test_the_predicted_image_is_the_quoted_one(
    vendor: SiliconVendor, tee: TeeKind | QuoteForm
) -> None:
    quote = vendor.quote(tee, measurement=MEASUREMENT, report_data=bytes(range(64)))
    assert predict_image_id(tee, MEASUREMENT) == split_quote(quote).image_id


def test_prediction_needs_a_whole_measurement() -> None:
    with pytest.raises(ValueError, match="wanted 48"):
        predict_image_id(TeeKind.SGX, MEASUREMENT[:32])


@pytest.mark.parametrize("extra_ca", [None, b"an extra CA"])
def test_vendor_and_enclave_measure_alike(extra_ca: bytes | None, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "enclave")
    assert measure_enclave(folder, extra_ca=extra_ca) == measure(folder, extra_ca=extra_ca)


def test_vendor_and_enclave_measure_the_real_folder_alike() -> None:
    assert measure_enclave(ENCLAVE, extra_ca=None) == measure(ENCLAVE, extra_ca=None)


@pytest.mark.parametrize(
    "name", ["__init__.py", "domain/feed.py", "requirements.lock", "ca/roots.pem"]
)
def test_every_measured_file_counts(name: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "enclave")
    before = measure_enclave(folder, extra_ca=None)
    (folder / name).write_text("altered")
    assert measure_enclave(folder, extra_ca=None) != before


def test_the_extra_ca_counts(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "enclave")
    seen = {measure_enclave(folder, extra_ca=ca) for ca in (None, b"", b"a", b"b")}
    assert len(seen) == 4


def test_other_files_do_not_count(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "enclave")
    before = measure_enclave(folder, extra_ca=None)
    (folder / "README.md").write_text("text")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "feed.pyc").write_bytes(b"\0")
    assert measure_enclave(folder, extra_ca=None) == before
