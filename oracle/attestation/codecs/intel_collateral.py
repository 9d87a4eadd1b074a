"""What Intel's library calls `QuoteCollateralV3`: documents, who signed them, revocation lists.

Nothing here establishes that anybody signed anything.

Reference: Intel DCAP quote generation library, `sgx_ql_qve_collateral_t`, version 3; Intel PCS API
v4.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import dcap_qvl
from cryptography import x509

from enclave.domain.errors import MalformedEvidence
from oracle.attestation.codecs.chains import load_crl
from oracle.attestation.codecs.crl import MAX_CRL
from oracle.attestation.codecs.dcap import MAX_CERTIFICATE, Certificate, parse_pem_chain
from oracle.attestation.codecs.pcs import (
    SIGNATURE_SIZE,
    SignedText,
    parse_qe_identity,
    parse_tcb_info,
)
from oracle.attestation.codecs.tcb_tables import QeIdentity, TcbInfo

#: Two certificates in PEM.
MAX_CHAIN = 4 * MAX_CERTIFICATE
_SIGNER_CHAIN = 2


@dataclass(frozen=True, slots=True)
class Signed:
    """A document and who signed it.

    Attributes:
        text: The document and its signature.
        signer: Certificate of the TCB signing key.
        root: The certificate above it, as it came along.
    """

    text: SignedText
    signer: x509.Certificate
    root: Certificate


@dataclass(frozen=True, slots=True)
class IntelCollateral:
    """Collateral taken apart.

    Attributes:
        info: TCB information.
        identity: The quoting enclave's identity.
        info_signed: As it was signed.
        identity_signed: As it was signed.
        root_crl: List of the root.
        pck_crl: List of the CA that issues machines' certificates.
        whole: The same as the library takes it.
    """

    info: TcbInfo
    identity: QeIdentity
    info_signed: Signed
    identity_signed: Signed
    root_crl: x509.CertificateRevocationList
    pck_crl: x509.CertificateRevocationList
    whole: dcap_qvl.QuoteCollateralV3


def parse_collateral(fields: Mapping[str, str]) -> IntelCollateral:
    """Take collateral apart.

    Args:
        fields: `tcb_info`, `qe_identity` (exactly the text that was signed), each with `_signature`
            (128 hexadecimal digits) and `_issuer_chain` (PEM: signer, root); `root_ca_crl`,
            `pck_crl` (DER in hexadecimal digits). Others are not looked at.

    Raises:
        MalformedEvidence: A field is missing, too long, or something else; it is named.
    """
    # Both documents usually have the same signer.
    read = cache(parse_pem_chain)
    info, identity = (_signed(fields, name, read) for name in ("tcb_info", "qe_identity"))
    root_crl, pck_crl = (_octets(fields, name, MAX_CRL) for name in ("root_ca_crl", "pck_crl"))
    return IntelCollateral(
        info=parse_tcb_info(info.text.text),
        identity=parse_qe_identity(identity.text.text),
        info_signed=info,
        identity_signed=identity,
        root_crl=load_crl(root_crl),
        pck_crl=load_crl(pck_crl),
        whole=dcap_qvl.QuoteCollateralV3(
            "",
            root_crl,
            pck_crl,
            fields["tcb_info_issuer_chain"],
            fields["tcb_info"],
            info.text.signature,
            fields["qe_identity_issuer_chain"],
            fields["qe_identity"],
            identity.text.signature,
        ),
    )


def _signed(
    fields: Mapping[str, str], name: str, read: Callable[[bytes], tuple[Certificate, ...]]
) -> Signed:
    text = _ascii(fields, name)
    signature = _octets(fields, f"{name}_signature", SIGNATURE_SIZE)
    if len(signature) != SIGNATURE_SIZE:
        raise MalformedEvidence(f"{name}_signature of {len(signature)} bytes, wanted 64")
    pem = _ascii(fields, f"{name}_issuer_chain")
    if len(pem) > MAX_CHAIN:
        raise MalformedEvidence(f"{name}_issuer_chain of {len(pem)} bytes, wanted <= {MAX_CHAIN}")
    chain = read(pem)
    if len(chain) != _SIGNER_CHAIN:
        raise MalformedEvidence(f"{name}_issuer_chain of {len(chain)} certificates, wanted 2")
    signer, root = chain
    return Signed(SignedText(text, signature), signer.parsed, root)


def _ascii(fields: Mapping[str, str], name: str) -> bytes:
    value = fields.get(name)
    if value is None:
        raise MalformedEvidence(f"collateral lacks {name}")
    try:
        return value.encode("ascii")
    except UnicodeEncodeError as error:
        raise MalformedEvidence(f"{name} is not ASCII") from error


def _octets(fields: Mapping[str, str], name: str, limit: int) -> bytes:
    digits = _ascii(fields, name)
    if len(digits) > 2 * limit:
        raise MalformedEvidence(f"{name} of {len(digits)} digits, wanted <= {2 * limit}")
    try:
        return bytes.fromhex(digits.decode())
    except ValueError as error:
        raise MalformedEvidence(f"{name} is not hexadecimal") from error
