"""AWS's trusted certificates, each in a file that OpenSSL finds by its name when it needs that one.

Reading all of botocore's takes as long as a tenth of a start; a connection needs one. Which ones are trusted stays the
same. As `openssl rehash` does it (https://docs.openssl.org/3.0/man1/openssl-rehash/), which not every machine has.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from pathlib import Path

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", re.DOTALL)
_SET, _SEQUENCE, _OID, _UTF8 = 0x31, 0x30, 0x06, 0x0C


def split(bundle: Path, folder: Path) -> None:
    """Put each certificate of the file of many into a file of its own, in a new folder."""
    folder.mkdir()
    for text in _CERTIFICATE.findall(bundle.read_text()):
        with warnings.catch_warnings():
            # An old one has a serial number that is none by now.
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            name = name_hash(x509.load_pem_x509_certificate(text.encode()).subject)
        number = len(list(folder.glob(f"{name}.*")))
        (folder / f"{name}.{number}").write_text(text)


def name_hash(name: x509.Name) -> str:
    """As OpenSSL's X509_NAME_hash, which is of the name without what names may differ in: case, spaces, encoding."""
    canonical = b"".join(
        _der(_SET, b"".join(sorted(_attribute(attribute) for attribute in part))) for part in name.rdns
    )
    digest = hashlib.sha1(canonical, usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}"


def _attribute(attribute: x509.NameAttribute[str | bytes]) -> bytes:
    assert isinstance(attribute.value, str), f"{attribute.oid} is no text"
    words = re.sub(r"[ \t\n\v\f\r]+", " ", attribute.value).strip(" ")
    text = "".join(letter.lower() if letter.isascii() else letter for letter in words)
    return _der(_SEQUENCE, _oid(attribute.oid) + _der(_UTF8, text.encode()))


def _oid(oid: x509.ObjectIdentifier) -> bytes:
    first, second, *others = map(int, oid.dotted_string.split("."))
    encoded = b""
    for number in (40 * first + second, *others):
        digits = [number & 0x7F]
        while number := number >> 7:
            digits.insert(0, number & 0x7F | 0x80)
        encoded += bytes(digits)
    return _der(_OID, encoded)


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + content
