"""Verifiers with contents that are altered before they are signed.

An attester's own key signs whatever its host gives it, and behind the signature there is more to
read. What is accepted here is genuine, so its claims may be any.
"""

import json
from collections.abc import Iterator

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs import certificates, chains
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, EvidenceFormat, Part
from oracle.attestation.roots import Anchors, PinnedKey, Root, Roots
from oracle.attestation.tees import verify
from oracle.devnet.silicon import der, nitro
from oracle.devnet.silicon.quotes import QuoteForm, raw_signature
from tests.fakes import arm_tokens, cose_messages, intel_evidence, tokens, tpm_evidence
from tests.fakes.x509_authority import NOW, make_certificate, usage
from tests.oracle.attestation.hostile.limits import Target
from tests.oracle.attestation.hostile.samples import NITRO_NOW
from tests.vectors.dcap_parts import Parts, body_of

_AT = int(NOW.timestamp())
_BIT_STRING = 3
#: AlgorithmIdentifier of ECDSA with SHA-256.
_ECDSA = bytes.fromhex("300a06082a8648ce3d040302")


def signed_targets() -> list[Target]:
    """One for each kind of signature."""
    return [*_x509(), *_intel(), *_cose(), *_tokens(), _tpm()]


def _wrapped(body: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """A certificate or a list with this signed part."""
    signature = key.sign(body, ec.ECDSA(SHA256()))
    return der.sequence(body, _ECDSA, der.tlv(_BIT_STRING, b"\0" + signature))


def _x509() -> Iterator[Target]:
    signs = usage(certificates=True, lists=True)
    root = make_certificate("root", key=tpm_evidence.ec_key("root"), usage=signs)
    middle = root.issue("middle", key=tpm_evidence.ec_key("middle"), usage=signs)
    leaf = middle.issue("leaf", key=tpm_evidence.ec_key("leaf"), is_ca=False)
    crl = middle.revoke(7)

    def chain(raw: bytes, above: bytes, *lists: bytes) -> None:
        chains.verify_chain(
            certificates.load_certificate(raw, subject="leaf"),
            [certificates.load_certificate(above, subject="intermediate")],
            [root.certificate],
            now=_AT,
            crls=[certificates.load_crl(each) for each in lists],
        )

    def alone(raw: bytes) -> None:
        own = _wrapped(raw, root.key)
        certificate = certificates.load_certificate(own, subject="root")
        chains.verify_chain(certificate, (), [certificate], now=_AT)

    bodies = [each.certificate.tbs_certificate_bytes for each in (leaf, middle, root)]
    yield Target(
        "signed leaf", [bodies[0]], lambda raw: chain(_wrapped(raw, middle.key), middle.der)
    )
    yield Target(
        "signed intermediate",
        [bodies[1]],
        lambda raw: chain(leaf.der, _wrapped(raw, root.key)),
    )
    yield Target("self-signed", [bodies[2]], alone)
    yield Target(
        "signed CRL",
        [crl.tbs_certlist_bytes],
        lambda raw: chain(leaf.der, middle.der, _wrapped(raw, middle.key)),
    )


def _intel() -> Iterator[Target]:
    for form in (QuoteForm.SGX_V3, QuoteForm.TDX_V5_TD15):
        case = intel_evidence.Case(form.tee)

        def quoted(raw: bytes, form: QuoteForm = form, case: intel_evidence.Case = case) -> None:
            quote = intel_evidence.whole_quote(Parts(form, raw))
            evidence = Evidence(intel_evidence.FORMATS[form.tee], quote)
            verify(evidence, case.endorsements, roots=case.trusted, now=case.now)

        yield Target(f"signed report body {form.name}", [body_of(form)], quoted)
    for name in ("tcb_info", "qe_identity"):
        for tee in (TeeKind.SGX, TeeKind.TDX):
            yield _signed_document(intel_evidence.Case(tee), name)


def _signed_document(case: intel_evidence.Case, name: str) -> Target:
    key = intel_evidence.vendor().chain.tcb_signer.key

    def read(raw: bytes) -> None:
        text = raw.decode("utf-8", "replace")
        signature = raw_signature(key, text.encode())
        fields = {**case.endorsements.intel, name: text, f"{name}_signature": signature.hex()}
        verify(case.evidence, Endorsements(intel=fields), roots=case.trusted, now=case.now)

    return Target(f"signed {name} {case.tee.name}", [case.endorsements.intel[name].encode()], read)


def _cose() -> Iterator[Target]:
    module = nitro.make_module(now=NITRO_NOW)
    request = nitro.Request(public_key=b"a key", user_data=b"report data", nonce=b"a nonce")
    document = module.document({0: b"\x10" * 48}, request, now=NITRO_NOW)
    aws = Roots((Root(Anchors.AWS_NITRO, "emulated AWS", module.root.der),))

    def nitro_document(raw: bytes) -> None:
        evidence = Evidence(
            EvidenceFormat.NITRO_DOCUMENT, nitro.sign_document(raw, module.signer.key)
        )
        verify(evidence, Endorsements(), roots=aws, now=int(NITRO_NOW.timestamp()))

    yield Target("signed Nitro document", [cbor2.loads(document)[2]], nitro_document)
    key = ec.generate_private_key(ec.SECP256R1())

    def psa(raw: bytes) -> None:
        token = cose_messages.sign1(raw, key, arm_tokens.ES256)
        evidence = Evidence(EvidenceFormat.PSA_TOKEN, token)
        verify(evidence, Endorsements(), roots=arm_tokens.pinned(key), now=0)

    samples = [cbor2.dumps(each) for each in (arm_tokens.PSA, arm_tokens.PSA_LEGACY)]
    yield Target("signed PSA token", samples, psa)
    yield from _cca()


def _cca() -> Iterator[Target]:
    machine = arm_tokens.CcaMachine()
    tokens_ = machine.tokens()
    keys = (machine.platform_key, machine.realm_key)
    for place, name in enumerate(("platform", "realm")):

        def collected(raw: bytes, place: int = place) -> None:
            pair = list(tokens_)
            pair[place] = cose_messages.sign1(raw, keys[place], arm_tokens.ES384)
            evidence = Evidence(EvidenceFormat.CCA_TOKEN, arm_tokens.collection(*pair))
            roots = arm_tokens.pinned(machine.platform_key)
            verify(evidence, Endorsements(), roots=roots, now=0)

        payload = cbor2.loads(tokens_[place]).value[2]
        yield Target(f"signed CCA {name} token", [payload], collected)


def _tokens() -> Iterator[Target]:
    key = tpm_evidence.rsa_key("token")
    keys = tokens.key_set(tokens.numbers(key, kid="one"))
    header = b'{"alg":"RS256","kid":"one"}'
    claims = {
        EvidenceFormat.MAA_TOKEN: [
            tokens.sgx_claims(),
            tokens.snp_claims(),
            tokens.azurevm_claims(tokens.tdx_claims()),
        ],
        EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN: [tokens.space_claims(), tokens.machine_claims()],
    }
    for told, made in claims.items():

        def read(raw: bytes, told: EvidenceFormat = told) -> None:
            evidence = Evidence(told, tokens.sign_raw(key, header, raw))
            verify(evidence, Endorsements(jwks=keys), roots=Roots(), now=tokens.NOW)

        yield Target(f"signed {told.value}", [json.dumps(each).encode() for each in made], read)


def _tpm() -> Target:
    key = tpm_evidence.ec_key("attestation")
    quoting = tpm_evidence.Quoting()
    roots = Roots(keys=(PinnedKey(tpm_evidence.der(key)),))

    def read(raw: bytes) -> None:
        parts = {
            Part.TPM_SIGNATURE: tpm_evidence.sign(key, raw),
            Part.PCR_VALUES: quoting.values,
            Part.AK_PUBLIC: tpm_evidence.pem(key),
        }
        evidence = Evidence(EvidenceFormat.TPM_QUOTE, raw, parts)
        verify(evidence, Endorsements(), roots=roots, now=_AT)

    return Target("signed TPMS_ATTEST", [quoting.attest], read)
