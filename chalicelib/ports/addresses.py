"""The address book: which e-mail addresses and phone numbers can exist, and where a number may be."""

from __future__ import annotations

from typing import Protocol


class Addresses(Protocol):
    def email(self, text: str) -> str:
        """The address in its one spelling. Raises InvalidInput, saying what is wrong with it; nobody is asked."""
        ...

    def phone(self, text: str) -> str:
        """The number in E.164, `+491701234567`. Raises InvalidInput where it is not valid or lacks its country code."""
        ...

    def zones(self, phone: str) -> tuple[str, ...]:
        """Every time zone that the number may lie in, as IANA names; empty where nobody can say."""
        ...

    def country(self, phone: str) -> str:
        """ISO 3166 code of the number's country, "" where nobody can say."""
        ...
