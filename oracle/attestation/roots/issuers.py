"""Issuers of attestation tokens that a policy may pin by default: claims `iss` of known services.

An issuer is an anchor by name: whoever it says it is, its keys come from its own TLS endpoint or
its vendor's root. An operator of a provider with a policy of its own adds that one's name.
"""

from typing import Final

#: Google Cloud Attestation: Confidential Space and Confidential VM tokens.
#: Confidential Space, attestation token claims, `iss`.
GOOGLE: Final = ("https://confidentialcomputing.googleapis.com",)

#: Microsoft Azure Attestation's shared providers, one a region: their policy is Microsoft's and
#: cannot be changed. A finite list, not a pattern: who may register `shared…` elsewhere is unknown.
#: Microsoft Learn, Azure Attestation basic concepts (2021), "Regional shared provider"; the other
#: regions from `Get-SharedMaaEndpoint` in Microsoft's Azure-Samples/confidential-computing, which
#: says it was compared with `Get-AzAttestationDefaultProvider`.
AZURE_SHARED: Final = tuple(
    f"https://shared{region}.{region}.attest.azure.net"
    for region in (
        # Americas
        *("eus", "eus2", "wus", "wus2", "wus3", "cus", "ncus", "scus", "wcus"),
        *("cac", "cae", "sbr", "sebr"),
        # Europe
        *("neu", "weu", "uks", "ukw", "frc", "frs", "dewc", "den", "swn", "sww"),
        *("sec", "ses", "noe", "now", "plc", "itn", "esc"),
        # Asia and Pacific
        *("easia", "sasia", "jpe", "jpw", "krc", "krs", "eau", "sau", "cau", "cin", "sin", "win"),
        # Middle East and Africa
        *("uaen", "uaec", "ilc", "san", "saw"),
    )
)
