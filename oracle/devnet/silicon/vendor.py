"""One instance of the emulated vendor: its root, one machine, its quoting enclaves."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from enclave.domain.evidence import TeeKind, emulated_measurement, image_id
from oracle.devnet.silicon.collateral import CollateralOffice
from oracle.devnet.silicon.pki import Chain, Platform, make_chain, make_pck, make_platform
from oracle.devnet.silicon.quotes import (
    MEASUREMENT_SIZE,
    SAME_MODULE,
    UPDATED_MODULE,
    QuoteForm,
    QuotingEnclave,
    enclave_body,
)


@dataclass(frozen=True, slots=True)
class VendorConstants:
    """What `IntelCollateral` is built with.

    Attributes:
        root_certificate: DER.
        signer_name: keccak256 of the TCB signing certificate's subject in DER, 32 bytes.
    """

    root_certificate: bytes
    signer_name: bytes


class SiliconVendor:
    """A vendor with one machine; every key is made here and never leaves.

    Args:
        now: Beginning of the certificates, less a day.
        token_bytes: Source of the machine's identifiers; keys come from the cryptography library.

    The machine's forms of quotes are the oldest of each TEE until another one is chosen.
    """

    def __init__(
        self, *, now: datetime, token_bytes: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        self._token_bytes = token_bytes
        self._platform = make_platform(token_bytes)
        self._chain = make_chain(self._platform, now=now)
        self._quoting_enclave = QuotingEnclave(self._platform, self._chain, token_bytes)
        self._collateral = CollateralOffice(self._chain, self._platform, now=now)
        self._forms: dict[TeeKind, QuoteForm] = {}
        self._module = SAME_MODULE

    @property
    def chain(self) -> Chain:
        """The machine's certificates and their keys, for tests that play the vendor's part."""
        return self._chain

    @property
    def platform(self) -> Platform:
        """The machine."""
        return self._platform

    @property
    def collateral(self) -> CollateralOffice:
        """The vendor's publishing side."""
        return self._collateral

    @property
    def constants(self) -> VendorConstants:
        """What a verifier of this vendor must know."""
        return VendorConstants(
            root_certificate=self._chain.root.der, signer_name=self._chain.tcb_signer.name_hash
        )

    def choose_form(self, form: QuoteForm) -> None:
        """Quotes of this form's TEE have this form from now on."""
        self._forms[form.tee] = form

    def update_machine(self, *, now: datetime) -> None:
        """Bring the machine up to date: it gets what the newest number demands.

        As on a real one, other versions mean another PCK key and certificate; its quoting enclaves
        make new attestation keys.

        Args:
            now: Beginning of the certificate, less a day.
        """
        self._platform = replace(self._platform, components=self._collateral.required)
        pck = make_pck(self._platform, self._chain.platform_ca, now=now)
        self._chain = replace(self._chain, pck=pck)
        self._collateral.certify(self._chain)
        self._quoting_enclave = QuotingEnclave(self._platform, self._chain, self._token_bytes)

    def update_module(self) -> None:
        """The TDX module is updated under running TDs: those should begin anew."""
        self._module = UPDATED_MODULE

    def quote(self, tee: TeeKind | QuoteForm, *, measurement: bytes, report_data: bytes) -> bytes:
        """A whole quote; see `QuotingEnclave.quote`. Of a TEE it is the chosen form."""
        form = tee if isinstance(tee, QuoteForm) else self._forms.get(tee, _form(tee))
        return self._quoting_enclave.quote(
            form, measurement=measurement, report_data=report_data, module=self._module
        )

    def sign_body(self, tee: TeeKind | QuoteForm, body: bytes) -> bytes:
        """A whole quote over any report body, such as one with the debug bit; for tests."""
        return self._quoting_enclave.sign(_form(tee), body)


def predict_image_id(tee: TeeKind | QuoteForm, measurement: bytes) -> bytes:
    """The image id that the contracts derive from this vendor's quotes, 32 bytes.

    Args:
        tee: `SGX` or `TDX`, whose oldest form is meant, or a form.
        measurement: 48 bytes, from `measure_enclave`.
    """
    if len(measurement) != MEASUREMENT_SIZE:
        raise ValueError(f"measurement of {len(measurement)} bytes, wanted {MEASUREMENT_SIZE}")
    form = _form(tee)
    body = enclave_body(form, cpu_svn=bytes(16), measurement=measurement, data=bytes(64))
    return image_id(form.tee, body)


def _form(tee: TeeKind | QuoteForm) -> QuoteForm:
    return tee if isinstance(tee, QuoteForm) else QuoteForm.oldest(tee)


def measure_enclave(folder: Path, *, extra_ca: bytes | None) -> bytes:
    """What emulated hardware measures of an enclave folder, 48 bytes.

    The same as `enclave.attesters.simulated.measure` says of itself; a test holds the two together.

    Args:
        folder: The folder `enclave/`.
        extra_ca: The additional CA file's bytes, if the enclave is started with one.
    """
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*.py")]
    files = {
        name: (folder / name).read_bytes() for name in (*names, "requirements.lock", "ca/roots.pem")
    }
    if extra_ca is not None:
        files["extra-ca"] = extra_ca
    return emulated_measurement(files)
