"""The folder of certificates that the bundle has: OpenSSL finds in it what it finds in botocore's file, and no more."""

from __future__ import annotations

import shutil
import ssl
import warnings
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore.exceptions import SSLError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chalicelib.adapters.aws import client as aws
from devstack.package import certificates
from tests.contract.http_kit import certificate, serving

BUNDLE = Path(botocore.__file__).with_name("cacert.pem")
KEY = ec.generate_private_key(ec.SECP256R1())


def self_signed(name: x509.Name) -> bytes:
    """A certificate of ours under somebody's name."""
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, KEY.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return made.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """In memory. Raises ssl.SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
    ]
    while sides:
        for side in list(sides):
            try:
                side.do_handshake()
                sides.remove(side)
            except ssl.SSLWantReadError:
                pass


def names() -> list[x509.Name]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [it.subject for it in x509.load_pem_x509_certificates(BUNDLE.read_bytes())]
    unit, organization, common = NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME
    harder = [
        [(organization, "  Bräune   &\tSöhne ÄÖ  ")],
        # Which of the two comes first is another question in lower case.
        [(unit, "B"), (unit, "a")],
        # Longer than one byte can tell.
        [(unit, "x" * 60), (organization, "x" * 60), (common, "x" * 60)],
    ]
    for parts in harder:
        attributes = [x509.NameAttribute(oid, text) for oid, text in parts]
        found.append(x509.Name([x509.RelativeDistinguishedName(attributes)]))
    return found


def test_openssl_finds_a_certificate_by_every_name(tmp_path: Path) -> None:
    """With one of ours under each name that is in botocore's file, and under harder ones, a server is trusted."""
    secret = tmp_path / "key.pem"
    secret.write_bytes(
        KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    everybody = names()
    assert len(everybody) > 100

    for number, name in enumerate(everybody):
        trusted = tmp_path / f"{number}.pem"
        trusted.write_bytes(self_signed(name))
        certificates.split(trusted, tmp_path / str(number))
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(trusted, secret)

        shake_hands(server, ssl.create_default_context(capath=str(tmp_path / str(number))))


def test_every_certificate_is_in_the_folder(tmp_path: Path) -> None:
    """As many as in the file, those of one name beside each other."""
    twice = tmp_path / "twice.pem"
    twice.write_bytes(BUNDLE.read_bytes() + self_signed(names()[0]))

    certificates.split(twice, tmp_path / "folder")

    files = sorted((tmp_path / "folder").iterdir())
    assert len(files) == BUNDLE.read_text().count("BEGIN CERTIFICATE") + 1
    assert [path.suffix for path in files].count(".1") == 1
    together = ssl.create_default_context(cafile=str(twice)).get_ca_certs(binary_form=True)
    apart = ssl.create_default_context(cadata="".join(path.read_text() for path in files))
    assert sorted(apart.get_ca_certs(binary_form=True)) == sorted(together)


def test_a_client_of_the_bundle_trusts_the_folder_and_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where botocore has a folder beside its file, that is looked through."""
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(aws, "_BOTOCORE", str(tmp_path / "botocore"))
    tls, ca_file = certificate(tmp_path, x509.IPAddress(IPv4Address("127.0.0.1")))
    (tmp_path / "botocore").mkdir()
    shutil.copyfile(ca_file, tmp_path / "botocore" / "cacert.pem")

    def get(url: str) -> Any:
        return aws.client("dynamodb", endpoint_url=url, region="eu-west-1").get_item(TableName="t", Key={})

    with serving(tls) as (server, url):
        server.answer = b"{}"
        certificates.split(BUNDLE, tmp_path / "botocore" / "certificates")
        with pytest.raises(SSLError):
            get(url)
        shutil.rmtree(tmp_path / "botocore" / "certificates")
        certificates.split(Path(ca_file), tmp_path / "botocore" / "certificates")
        get(url)

    assert len(server.heard) == 1
