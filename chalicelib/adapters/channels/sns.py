"""Text messages through Amazon SNS: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html."""

from __future__ import annotations

from typing import Any, Protocol, cast

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.aws import client as aws
from chalicelib.adapters.channels.failures import unavailable
from chalicelib.ports.channels import ChannelRefused, Sms

_BAD_NUMBER = frozenset({"InvalidParameter", "ParameterValueInvalid", "ValidationException"})


class Sns(Protocol):
    """The methods of the SNS client that are used."""

    def check_if_phone_number_is_opted_out(self, **request: Any) -> dict[str, Any]: ...

    def publish(self, **request: Any) -> dict[str, Any]: ...

    def close(self) -> None: ...


def sns_client() -> Sns:
    """Create boto3's client. One try only, because a text whose answer is lost may have been sent."""
    return cast(Sns, boto3.client("sns", config=aws.config(read_s=10, tries=1)))


class SnsTexter:
    """Implements ports.Texter. `sender_id`: what phones show as the sender, where the country allows it; "" for none.

    https://docs.aws.amazon.com/sns/latest/dg/sms_sending-overview.html
    """

    def __init__(self, sns: Sns, sender_id: str) -> None:
        self._sns = sns
        self._attributes = {"AWS.SNS.SMS.SMSType": _string("Transactional")}
        if sender_id:
            self._attributes["AWS.SNS.SMS.SenderID"] = _string(sender_id)

    def send(self, sms: Sms) -> str:
        try:
            # SNS accepts texts to numbers that have answered STOP, and drops them: it has to be asked.
            if self._sns.check_if_phone_number_is_opted_out(phoneNumber=sms.to)["isOptedOut"]:
                raise ChannelRefused(ChannelRefused.OPTED_OUT)
        except (ClientError, BotoCoreError) as error:
            raise _failure(error, may_have_taken=False) from None
        try:
            answer = self._sns.publish(PhoneNumber=sms.to, Message=sms.text, MessageAttributes=self._attributes)
        except (ClientError, BotoCoreError) as error:
            raise _failure(error) from None
        return str(answer["MessageId"])


def _failure(error: Exception, *, may_have_taken: bool | None = None) -> Exception:
    if isinstance(error, ClientError) and error.response["Error"]["Code"] in _BAD_NUMBER:
        return ChannelRefused(ChannelRefused.BAD_ADDRESS)
    return unavailable(error, may_have_taken=may_have_taken)


def _string(text: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": text}
