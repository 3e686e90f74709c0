"""TLS to a target: certificates are always verified."""

from __future__ import annotations

import ssl

from detector.errors import ConfigError


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Return the context of a client that trusts the authorities in a file, or the system's where it is empty.

    Raises
    ------
    ConfigError
        The file cannot be read or holds no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:  # what is wrong with a certificate is one, too
        raise ConfigError(f"ca_file {ca_file} cannot be used: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
