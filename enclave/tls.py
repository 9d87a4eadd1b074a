"""TLS policy of outgoing connections; opens none."""

import re
import ssl

from enclave.domain.errors import ConfigError

#: Forward secrecy and authenticated encryption only; TLS 1.3 suites are all of that kind.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_PEM = re.compile(
    rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----", re.ASCII
)


def make_tls_context(ca_pem: bytes, extra_ca: bytes | None) -> ssl.SSLContext:
    """TLS 1.2 or newer against exactly these roots, host name checked.

    A bare context reads no environment: neither `SSLKEYLOGFILE` nor the system's trust store.

    Args:
        ca_pem: The measured CA bundle, PEM.
        extra_ca: Further roots, PEM; the caller measures them.

    Raises:
        ConfigError: A bundle holds no certificate or one that does not parse.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The library would take a common name for a host name where no alternative name is given.
    context.hostname_checks_common_name = False
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    for bundle in (ca_pem,) if extra_ca is None else (ca_pem, extra_ca):
        certificates = b"\n".join(_PEM.findall(bundle)).decode("ascii")
        try:
            context.load_verify_locations(cadata=certificates)
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError("CA bundle holds no certificate or a broken one") from error
    return context
