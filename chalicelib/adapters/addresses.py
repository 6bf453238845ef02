"""Addresses on email-validator and phonenumbers; both are imported when first needed, because few requests are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.domain.errors import InvalidInput

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

_UNKNOWN_ZONE = "Etc/Unknown"


class LibraryAddresses:
    """Implements ports.addresses.Addresses."""

    def email(self, text: str) -> str:
        from email_validator import EmailNotValidError, validate_email

        try:
            # Whether the domain takes mail is for the mail to find out: a request does not wait for name servers.
            return validate_email(text, check_deliverability=False).normalized
        except EmailNotValidError as wrong:
            raise InvalidInput(f"This is not an e-mail address: {wrong}", field="email") from None

    def phone(self, text: str) -> str:
        import phonenumbers

        try:
            number = phonenumbers.parse(text)
        except phonenumbers.NumberParseException:
            raise InvalidInput(
                "Give the phone number with its country code, such as +49 170 1234567.", field="phone"
            ) from None
        if not phonenumbers.is_valid_number(number):
            raise InvalidInput("There is no such phone number. Check the digits and the country code.", field="phone")
        return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))

    def zones(self, phone: str) -> tuple[str, ...]:
        from phonenumbers.timezone import time_zones_for_number

        number = _parsed(phone)
        zones = time_zones_for_number(number) if number is not None else ()
        return tuple(str(zone) for zone in zones if zone != _UNKNOWN_ZONE)

    def country(self, phone: str) -> str:
        import phonenumbers

        number = _parsed(phone)
        return (number is not None and phonenumbers.region_code_for_number(number)) or ""


def _parsed(phone: str) -> PhoneNumber | None:
    """None for a number that was stored under older rules and is none by today's."""
    import phonenumbers

    try:
        return phonenumbers.parse(phone)
    except phonenumbers.NumberParseException:
        return None
