"""Intel's documents as verifiers of whole quotes take them: `QuoteCollateralV3`.

Reference: Intel DCAP quote generation library, `sgx_ql_qve_collateral_t`, version 3.
"""

import base64
import textwrap
from collections.abc import Sequence

from enclave.domain.errors import MalformedEvidence
from oracle.attestation.endorsements.documents import Authority, Document, DocumentKind


def bundle(documents: Sequence[Document], root: bytes) -> dict[str, str]:
    """The fields of `Endorsements.intel`, of the documents for one machine.

    Args:
        documents: As `assemble` orders them, of one kind of machine.
        root: The vendor's root certificate, DER: the end of every chain.

    Raises:
        MalformedEvidence: A document is missing, or there are several of a kind.
    """
    root_crl = _one(documents, DocumentKind.ROOT_CRL)
    pck_crl = _one(documents, DocumentKind.PCK_CRL)
    fields = {
        "root_ca_crl": root_crl.raw.hex(),
        "pck_crl": pck_crl.raw.hex(),
        "pck_crl_issuer_chain": _chain(documents, pck_crl, root),
    }
    for name, kind in (
        ("tcb_info", DocumentKind.TCB_INFO),
        ("qe_identity", DocumentKind.QE_IDENTITY),
    ):
        document = _one(documents, kind)
        fields[name] = document.raw.decode()
        fields[f"{name}_signature"] = document.signature.hex()
        fields[f"{name}_issuer_chain"] = _chain(documents, document, root)
    return fields


def ends_at(documents: Sequence[Document]) -> int:
    """When the first of them is out of date, seconds since the epoch."""
    return min(document.ends_at for document in documents)


def _one(documents: Sequence[Document], kind: DocumentKind) -> Document:
    found = [document for document in documents if document.kind is kind]
    if len(found) != 1:
        raise MalformedEvidence(f"{len(found)} documents of kind {kind}, wanted 1")
    return found[0]


def _chain(documents: Sequence[Document], document: Document, root: bytes) -> str:
    """Who signed it, then the root, in PEM."""
    contents = [each.content for each in documents]
    issuers = [each for each in contents if isinstance(each, Authority)]
    (issuer,) = (each for each in issuers if each.certificate.id == document.issuer)
    return _pem(issuer.certificate.der) + _pem(root)


def _pem(der: bytes) -> str:
    lines = textwrap.wrap(base64.b64encode(der).decode(), 64)
    return "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""))
