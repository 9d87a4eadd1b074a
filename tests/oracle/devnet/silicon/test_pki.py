from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dcap_qvl
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from oracle.devnet.silicon import pki

NOW = datetime(2031, 6, 1, 12, 30, 15, 999, tzinfo=UTC)


@pytest.fixture
def platform() -> pki.Platform:
    return pki.make_platform(lambda size: bytes(range(size)))


@pytest.fixture
def chain(platform: pki.Platform) -> pki.Chain:
    return pki.make_chain(platform, now=NOW)


def _constraints(authority: pki.Authority) -> x509.BasicConstraints:
    return authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value


def test_each_certificate_is_signed_by_the_next(chain: pki.Chain) -> None:
    chain.pck.certificate.verify_directly_issued_by(chain.platform_ca.certificate)
    chain.platform_ca.certificate.verify_directly_issued_by(chain.root.certificate)
    chain.root.certificate.verify_directly_issued_by(chain.root.certificate)


def test_only_root_and_intermediate_are_cas(chain: pki.Chain) -> None:
    assert (_constraints(chain.root).ca, _constraints(chain.root).path_length) == (True, 1)
    assert _constraints(chain.platform_ca).path_length == 0
    assert not _constraints(chain.pck).ca


def test_names_are_of_no_real_vendor(chain: pki.Chain) -> None:
    for link in (chain.root, chain.platform_ca, chain.pck):
        name = link.certificate.subject.rfc4514_string()
        assert "Emulated" in name
        assert "Intel" not in name


def test_validity_begins_a_day_ago_and_nests(chain: pki.Chain) -> None:
    certificates = [link.certificate for link in (chain.pck, chain.platform_ca, chain.root)]
    begin = NOW.replace(microsecond=0) - timedelta(days=1)
    assert all(certificate.not_valid_before_utc == begin for certificate in certificates)
    ends = [certificate.not_valid_after_utc for certificate in certificates]
    assert ends == sorted(ends)
    assert chain.root.not_after == int(ends[-1].timestamp())


def test_dcap_qvl_reads_the_machine_from_the_leaf(platform: pki.Platform, chain: pki.Chain) -> None:
    pem = chain.pck.certificate.public_bytes(Encoding.PEM)
    read = dcap_qvl.parse_pck_extension_from_pem(pem)
    assert read.ppid == platform.ppid
    assert read.fmspc == platform.fmspc
    assert read.pce_id == platform.pceid
    assert read.pce_svn == platform.pcesvn
    assert read.cpu_svn == platform.components
    assert read.platform_instance_id == platform.instance_id
    assert read.sgx_type == 1


def test_keys_are_of_p256_and_new_each_time(platform: pki.Platform, chain: pki.Chain) -> None:
    other = pki.make_chain(platform, now=NOW)
    links = (chain.root, chain.platform_ca, chain.pck, other.root, other.platform_ca, other.pck)
    assert len({link.coordinates for link in links}) == len(links)
    assert all(isinstance(link.key.curve, ec.SECP256R1) for link in links)


def test_the_chain_is_pem_from_leaf_to_root_and_ends_with_nul(chain: pki.Chain) -> None:
    assert chain.pem[-1:] == b"\0"
    read = x509.load_pem_x509_certificates(chain.pem[:-1])
    assert read == [chain.pck.certificate, chain.platform_ca.certificate, chain.root.certificate]


@pytest.mark.parametrize("field", ["ppid", "fmspc", "pceid", "components", "instance_id"])
def test_a_platform_has_fields_of_fixed_length(platform: pki.Platform, field: str) -> None:
    wrong = getattr(platform, field) + b"\0"
    with pytest.raises(ValueError, match="wanted"):
        replace(platform, **{field: wrong})


def test_a_platform_has_a_pcesvn_of_two_bytes(platform: pki.Platform) -> None:
    with pytest.raises(ValueError, match="wanted"):
        replace(platform, pcesvn=2**16)
