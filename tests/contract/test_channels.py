"""E-mail through SES and texts through SNS: what is sent, what is refused, and what nobody knows."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import closing
from email.header import decode_header, make_header
from email.utils import parseaddr
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from botocore.stub import Stubber
from botocore.validate import ParamValidator
from moto import mock_aws

from chalicelib.adapters.channels.ses import SesMailer, ses_client
from chalicelib.adapters.channels.sns import SnsTexter, sns_client
from chalicelib.ports.channels import ChannelRefused, ChannelUnavailable, Mail, Sms

SENDER = "news@example.com"
MAIL = Mail(
    to="ada@example.com",
    sender_name="Salon",
    subject="Your bill",
    text="12.00",
    html="<p>12.00</p>",
    headers={
        "List-Unsubscribe": "<https://api.example.com/v1/unsubscribe/mer_1/cus_1/KEY>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    },
    tags={"merchant": "mer_1", "tab": "tab_1", "kind": "bill_presented"},
)
TEXT = Sms(to="+491701234567", text="Salon: 12.00")


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    for name in ("AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        yield


# E-mail


@pytest.fixture
def ses() -> Iterator[Any]:
    client: Any = ses_client()
    with closing(client):
        yield client


def sending(ses: Any, mail: Mail = MAIL, configuration_set: str = "") -> dict[str, Any]:
    """The request that SES gets, held against SES's own description."""
    with Stubber(ses) as stub:
        stub.add_response("send_email", {"MessageId": "0100-abc"})
        seen: list[dict[str, Any]] = []
        ses.meta.events.register("provide-client-params.sesv2.SendEmail", lambda params, **_: seen.append(params))
        assert SesMailer(ses, SENDER, configuration_set).send(mail) == "0100-abc"
    described = ses.meta.service_model.operation_model("SendEmail").input_shape
    report = ParamValidator().validate(seen[0], described)
    assert not report.has_errors(), report.generate_report()
    return seen[0]


@pytest.mark.usefixtures("aws")
def test_a_mail_is_handed_over_to_ses(ses: Any) -> None:
    """In HTML and text, from a verified sender; the id of SES comes back."""
    ses.create_email_identity(EmailIdentity=SENDER)

    first, second = (SesMailer(ses, SENDER, "").send(MAIL) for _ in range(2))

    assert first
    assert first != second


def test_the_request_is_what_ses_knows(ses: Any) -> None:
    """One-click headers, ids as tags, the configuration set; nothing that SES's own description lacks."""
    request = sending(ses, configuration_set="aftertab-dev")

    simple = request["Content"]["Simple"]
    assert {header["Name"]: header["Value"] for header in simple["Headers"]} == MAIL.headers
    assert simple["Body"]["Html"]["Data"] == MAIL.html
    assert simple["Body"]["Text"]["Data"] == MAIL.text
    assert request["EmailTags"][0] == {"Name": "merchant", "Value": "mer_1"}
    assert request["ConfigurationSetName"] == "aftertab-dev"
    assert "ConfigurationSetName" not in sending(ses)


@pytest.mark.parametrize(
    "name",
    ["Salon", 'Bar "Zum, Löwen"', "미용실 " * 12, "Café <owner@evil.example>", "A\r\nBcc: x@evil.example", "صالون"],
)
def test_a_business_is_the_sender_by_whatever_name(ses: Any, name: str) -> None:
    """In ASCII, on one line, with our address and none that is in the name."""
    sender = sending(ses, Mail(to=MAIL.to, sender_name=name, subject="s", text="t", html="h"))["FromEmailAddress"]

    shown, address = parseaddr(sender)
    assert address == SENDER
    assert sender.isascii()
    assert sender.isprintable()
    assert str(make_header(decode_header(shown))) == " ".join(name.split())


def test_a_domain_goes_in_ascii_and_other_mailboxes_do_not_go(ses: Any) -> None:
    """SES takes no mail for a local part outside ASCII."""
    there = Mail(to="ada@bücher.example", sender_name="s", subject="s", text="t", html="h")
    assert sending(ses, there)["Destination"]["ToAddresses"] == ["ada@xn--bcher-kva.example"]

    for to in ("møbel@example.com", "ada@" + "ü" * 80 + ".example"):
        with pytest.raises(ChannelRefused) as refused:
            SesMailer(ses, SENDER, "").send(Mail(to=to, sender_name="s", subject="s", text="t", html="h"))
        assert refused.value.reason == "bad_address"


@pytest.mark.parametrize(
    ("code", "status", "outcome"),
    [
        ("BadRequestException", 400, "bad_address"),
        ("MessageRejected", 400, "rejected"),
        ("TooManyRequestsException", 429, False),
        ("LimitExceededException", 400, False),
        ("SendingPausedException", 400, False),
        ("AccountSuspendedException", 400, False),
        ("MailFromDomainNotVerifiedException", 400, False),
        ("AccessDeniedException", 403, False),
        ("InternalServiceErrorException", 500, True),
    ],
)
def test_what_ses_refuses_is_final_and_what_it_cannot_do_now_is_not(
    ses: Any, code: str, status: int, outcome: str | bool
) -> None:
    """Whether it may have taken the mail is known for all but its own failures; it is asked once only."""
    with Stubber(ses) as stub:
        stub.add_client_error("send_email", code, http_status_code=status)
        with pytest.raises((ChannelRefused, ChannelUnavailable)) as failed:
            SesMailer(ses, SENDER, "").send(MAIL)
    found = failed.value.reason if isinstance(failed.value, ChannelRefused) else failed.value.may_have_taken
    assert found == outcome


@pytest.mark.parametrize(
    ("error", "may_have_taken"),
    [
        (ReadTimeoutError(endpoint_url="x"), True),
        (ConnectTimeoutError(endpoint_url="x"), False),
        (EndpointConnectionError(endpoint_url="x"), False),
    ],
    ids=str,
)
def test_after_a_broken_connection_nobody_knows(error: Exception, may_have_taken: bool) -> None:
    """Unless there was none."""

    class Broken:
        def send_email(self, **request: Any) -> Any:
            raise error

        def close(self) -> None:
            pass

    with pytest.raises(ChannelUnavailable) as failed:
        SesMailer(Broken(), SENDER, "").send(MAIL)
    assert failed.value.may_have_taken is may_have_taken


# Texts


@pytest.fixture
def sns() -> Iterator[Any]:
    client: Any = sns_client()
    with closing(client):
        yield client


@pytest.mark.usefixtures("aws")
def test_a_text_is_handed_over_to_sns(sns: Any) -> None:
    """And not to a number that has answered STOP (moto: one that ends in 99)."""
    texter = SnsTexter(sns, "Salon")

    assert texter.send(TEXT)
    with pytest.raises(ChannelRefused) as refused:
        texter.send(Sms(to="+491701234599", text="x"))
    assert refused.value.reason == "opted_out"


def test_a_text_is_transactional_and_names_its_sender(sns: Any) -> None:
    """As SNS's own description says."""
    expected = {
        "PhoneNumber": TEXT.to,
        "Message": TEXT.text,
        "MessageAttributes": {
            "AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"},
            "AWS.SNS.SMS.SenderID": {"DataType": "String", "StringValue": "Salon"},
        },
    }
    with Stubber(sns) as stub:
        stub.add_response("check_if_phone_number_is_opted_out", {"isOptedOut": False}, {"phoneNumber": TEXT.to})
        stub.add_response("publish", {"MessageId": "sms-1"}, expected)
        assert SnsTexter(sns, "Salon").send(TEXT) == "sms-1"


@pytest.mark.parametrize(
    ("code", "status", "outcome"),
    [
        ("InvalidParameter", 400, "bad_address"),
        ("Throttled", 429, False),
        ("AuthorizationError", 403, False),
        ("InternalError", 500, True),
    ],
)
def test_what_sns_refuses_is_final_and_what_it_cannot_do_now_is_not(
    sns: Any, code: str, status: int, outcome: str | bool
) -> None:
    """Failing to say whether somebody has opted out sends nothing."""
    for failing in ("check_if_phone_number_is_opted_out", "publish"):
        with Stubber(sns) as stub:
            if failing == "publish":
                stub.add_response("check_if_phone_number_is_opted_out", {"isOptedOut": False})
            stub.add_client_error(failing, code, http_status_code=status)
            with pytest.raises((ChannelRefused, ChannelUnavailable)) as failed:
                SnsTexter(sns, "").send(TEXT)
        found = failed.value.reason if isinstance(failed.value, ChannelRefused) else failed.value.may_have_taken
        assert found == (outcome and failing == "publish" if isinstance(outcome, bool) else outcome)


@pytest.mark.parametrize("code", ["AuthorizationError", "AccessDeniedException", "MessageRejected", "InvalidParameter"])
def test_an_error_tells_the_log_no_address(ses: Any, sns: Any, code: str) -> None:
    """AWS's own texts name whom the message is for (`not authorized to perform: SNS:Publish on resource: +49…`)."""
    for client, call, send in (
        (ses, "send_email", lambda: SesMailer(ses, SENDER, "").send(MAIL)),
        (sns, "check_if_phone_number_is_opted_out", lambda: SnsTexter(sns, "").send(TEXT)),
    ):
        with Stubber(client) as stub:
            stub.add_client_error(call, code, f"not authorized on resource: {MAIL.to} {TEXT.to}", http_status_code=403)
            with pytest.raises((ChannelRefused, ChannelUnavailable)) as failed:
                send()
        told = "".join(traceback.format_exception(failed.value))
        assert code in told or isinstance(failed.value, ChannelRefused)
        assert MAIL.to not in told
        assert TEXT.to not in told
