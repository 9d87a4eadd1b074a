"""Intel's documents as one set of fields: what is in it verifies a quote."""

import json
from dataclasses import replace

import pytest

from enclave.domain.errors import MalformedEvidence
from enclave.domain.evidence import TeeKind
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.endorsements.documents import Document, DocumentKind
from oracle.attestation.endorsements.intel_bundle import bundle, ends_at
from oracle.attestation.endorsements.pcs import fetch_collateral
from oracle.attestation.tees import verify
from tests.fakes.intel_evidence import ISSUED_AT, Case, roots_of, vendor
from tests.fakes.pcs import FakeService, machine

ROOT = vendor().chain.root.der


async def documents(tee: TeeKind) -> tuple[Document, ...]:
    service = FakeService(vendor(), now=ISSUED_AT)
    return await fetch_collateral(
        service, "https://service.test", machine(vendor(), tee), lambda *_: ()
    )


@pytest.mark.parametrize("tee", [TeeKind.SGX, TeeKind.TDX])
async def test_a_quote_verifies_with_what_was_fetched(tee: TeeKind) -> None:
    found = await documents(tee)
    fields = json.loads(json.dumps(bundle(found, ROOT)))
    case = Case(tee)
    claims = verify(
        case.evidence, Endorsements(intel=fields), roots=roots_of(vendor()), now=case.now
    )
    assert claims.tcb is not None
    assert claims.tcb.status == "UpToDate"
    assert ends_at(found) == min(each.ends_at for each in found)


@pytest.mark.parametrize("kind", [DocumentKind.ROOT_CRL, DocumentKind.TCB_INFO])
async def test_each_document_is_there_once(kind: DocumentKind) -> None:
    found = await documents(TeeKind.TDX)
    with pytest.raises(MalformedEvidence, match=f"0 documents of kind {kind}, wanted 1"):
        bundle([each for each in found if each.kind is not kind], ROOT)
    (one,) = (each for each in found if each.kind is kind)
    with pytest.raises(MalformedEvidence, match=f"2 documents of kind {kind}"):
        bundle([*found, replace(one)], ROOT)
