"""TLS policy: roots, versions and suites; test_hostile_sources has the servers that it refuses."""

import hashlib
import re
import ssl
from pathlib import Path

import pytest

from enclave.domain.errors import ConfigError
from enclave.tls import make_tls_context
from tests.fakes.relayed_tls import ThrowAwayCa

ROOTS = Path(__file__).parents[2] / "enclave" / "ca" / "roots.pem"


@pytest.mark.parametrize(
    "bundle",
    [
        b"",
        b"no certificate",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n",
    ],
)
def test_a_bundle_without_good_certificates_is_refused(bundle: bytes) -> None:
    authority = ThrowAwayCa()
    with pytest.raises(ConfigError, match="CA bundle"):
        make_tls_context(bundle, None)
    with pytest.raises(ConfigError, match="CA bundle"):
        make_tls_context(authority.pem, bundle)


def test_the_context_is_strict() -> None:
    context = make_tls_context(ThrowAwayCa().pem, None)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert not context.hostname_checks_common_name
    assert not context.keylog_filename
    assert context.cert_store_stats()["x509"] == 1
    assert all("ECDHE" in each["name"] or "TLS_" in each["name"] for each in context.get_ciphers())


def test_the_measured_roots_are_those_that_their_readme_states() -> None:
    raw = ROOTS.read_bytes()
    readme = (ROOTS.parent / "README.md").read_text()
    assert hashlib.sha256(raw).hexdigest() in readme
    count = make_tls_context(raw, None).cert_store_stats()["x509_ca"]
    assert re.search(rf"\b{count} certificates", readme)
