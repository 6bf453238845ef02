"""E-mail through Amazon SES: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html."""

from __future__ import annotations

import re
from email.header import Header
from email.utils import formataddr
from typing import Any, Protocol, cast

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.aws import client as aws
from chalicelib.adapters.channels.failures import unavailable
from chalicelib.ports.channels import ChannelRefused, Mail

_REFUSED = {
    # An address that SES can't parse, for example a domain with characters of its own.
    "BadRequestException": ChannelRefused.BAD_ADDRESS,
    # Its content, or in the sandbox an address that was not verified.
    "MessageRejected": ChannelRefused.REJECTED,
}
_NOT_IN_TAGS = re.compile(r"[^A-Za-z0-9_-]")


class Ses(Protocol):
    """The method of the SES client that is used."""

    def send_email(self, **request: Any) -> dict[str, Any]: ...

    def close(self) -> None: ...


def ses_client() -> Ses:
    """Create boto3's client. One try only, because a mail whose answer is lost may have been sent."""
    return cast(Ses, boto3.client("sesv2", config=aws.config(read_s=10, tries=1)))


class SesMailer:
    """Implements ports.Mailer. `sender`: the address that mails come from, verified at SES.

    `configuration_set`: names where SES reports deliveries, bounces and complaints; "" for none.
    """

    def __init__(self, ses: Ses, sender: str, configuration_set: str) -> None:
        self._ses = ses
        self._sender = sender
        self._configuration_set = configuration_set

    def send(self, mail: Mail) -> str:
        request: dict[str, Any] = {
            "FromEmailAddress": _from(_one_line(mail.sender_name), self._sender),
            "Destination": {"ToAddresses": [_ascii(mail.to)]},
            "Content": {
                "Simple": {
                    "Subject": _text(_one_line(mail.subject)),
                    "Body": {"Text": _text(mail.text), "Html": _text(mail.html)},
                    "Headers": [{"Name": name, "Value": value} for name, value in mail.headers.items()],
                }
            },
            "EmailTags": [
                {"Name": name, "Value": _NOT_IN_TAGS.sub("_", value)} for name, value in mail.tags.items() if value
            ],
        }
        if self._configuration_set:
            request["ConfigurationSetName"] = self._configuration_set
        try:
            return str(self._ses.send_email(**request)["MessageId"])
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _REFUSED:
                raise ChannelRefused(_REFUSED[code]) from None
            raise unavailable(error) from None
        except BotoCoreError as error:
            raise unavailable(error) from None


def _from(name: str, address: str) -> str:
    """The name is quoted, or encoded in words of at most 75 characters: https://www.rfc-editor.org/rfc/rfc2047."""
    if name.isascii():
        return formataddr((name, address))
    return f"{Header(name, 'utf-8').encode(linesep='')} <{address}>"


def _ascii(address: str) -> str:
    """SES wants a domain in ASCII, and has no way to other local parts. Raises ChannelRefused."""
    local, _, domain = address.rpartition("@")
    try:
        local.encode("ascii")
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        raise ChannelRefused(ChannelRefused.BAD_ADDRESS) from None


def _text(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": "UTF-8"}


def _one_line(text: str) -> str:
    """A header has one line: a name with a line break in it would begin another header."""
    return " ".join(text.split())
