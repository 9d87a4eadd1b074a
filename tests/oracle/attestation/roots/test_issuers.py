"""The issuers that a policy may pin by default are finite lists of TLS names."""

import re

from oracle.attestation.roots.issuers import AZURE_SHARED, GOOGLE


def test_googles_issuer() -> None:
    assert GOOGLE == ("https://confidentialcomputing.googleapis.com",)


def test_each_of_microsofts_shared_providers_is_named_once_for_its_region() -> None:
    shape = re.compile(r"https://shared([a-z]+\d?)\.\1\.attest\.azure\.net")
    assert all(shape.fullmatch(issuer) for issuer in AZURE_SHARED)
    assert len(AZURE_SHARED) == len(set(AZURE_SHARED)) == 47
    assert "https://sharedwus.wus.attest.azure.net" in AZURE_SHARED
