"""The vendors' roots are those that their fingerprints name, each good for its own platform."""

import hashlib
import tomllib
from pathlib import Path

import pytest
from cryptography import x509

from enclave.domain.errors import ConfigError
from oracle.attestation import roots
from oracle.attestation.roots import Anchors, PinnedKey, Root, Roots, load_roots, vendor_roots
from tests.fakes.x509_authority import make_certificate

FOLDER = Path(roots.__file__).parent


def test_every_root_of_the_package_loads_and_no_file_is_left_over() -> None:
    found = vendor_roots()
    assert len(found) == len(set(found)) == 10
    assert {anchors: len(Roots(found).of(anchors)) for anchors in Anchors} == {
        Anchors.INTEL_SGX: 1,
        Anchors.AMD_SNP: 3,
        Anchors.AWS_NITRO: 1,
        Anchors.GOOGLE_CONFIDENTIAL_SPACE: 1,
        Anchors.GOOGLE_VTPM: 2,
        Anchors.AZURE_VTPM: 2,
        Anchors.TPM: 0,
    }
    table = tomllib.loads((FOLDER / "roots.toml").read_text())["root"]
    assert {entry["file"] for entry in table} == {file.name for file in FOLDER.glob("*.pem")}


@pytest.mark.parametrize(
    "root", vendor_roots(), ids=lambda root: f"{root.vendor}-{root.id.hex()[:8]}"
)
def test_a_root_signed_itself_and_is_published(root: Root) -> None:
    certificate = x509.load_der_x509_certificate(root.der)
    certificate.verify_directly_issued_by(certificate)
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert root.id == hashlib.sha256(root.der).digest()
    assert "http" in root.published_at


def test_roots_are_told_apart_by_what_they_anchor() -> None:
    chip = Root(Anchors.AMD_SNP, "somebody", make_certificate("root").der)
    key = PinnedKey(b"a key")
    trusted = Roots((chip,), (key,))
    assert trusted.of(Anchors.AMD_SNP) == (chip,)
    assert trusted.of(Anchors.INTEL_SGX) == ()
    assert chip.published_at == ""
    assert key.id == hashlib.sha256(b"a key").digest()


def test_a_certificate_with_another_fingerprint_is_refused(tmp_path: Path) -> None:
    file = "amd-ark-milan.pem"
    (tmp_path / file).write_bytes((FOLDER / "amd-ark-genoa.pem").read_bytes())
    text = (FOLDER / "roots.toml").read_text()
    entry = next(each for each in text.split("[[root]]") if file in each)
    (tmp_path / "roots.toml").write_text("[[root]]" + entry)
    with pytest.raises(ConfigError, match=file):
        load_roots(tmp_path)
    (tmp_path / file).write_bytes((FOLDER / file).read_bytes())
    assert load_roots(tmp_path) == Roots(vendor_roots()).of(Anchors.AMD_SNP)[:1]


@pytest.mark.parametrize("der", [b"", b"no certificate", vendor_roots()[0].der[:-1]])
def test_a_root_that_is_no_certificate_is_refused(der: bytes) -> None:
    with pytest.raises(ConfigError, match="nobody's root is no DER certificate"):
        Root(Anchors.TPM, "nobody", der)
