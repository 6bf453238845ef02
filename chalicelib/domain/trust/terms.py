"""The terms of a merchant's credits (what a paid tab earns, and inviting), and of asking for stories."""

from enum import StrEnum

from msgspec import Struct

_DAY_S = 24 * 3600


class LotKind(StrEnum):
    """Where credit is from: a paid tab, an invitation (both sides), or credit that came back with a refund."""

    EARNED = "earned"
    REFERRAL = "referral"
    RETURNED = "returned"


class CreditTerms(Struct, frozen=True, kw_only=True):
    """A part of the policy, copied into each tab at its opening. Amounts are in the merchant's currency; 0: no limit.

    `rate_basis_points`: of the service without tax, tip and what was paid with credit (250 = 2.5 %). `least_minor`:
    a service below it earns nothing. `per_month_minor`, `referrals_per_month`: in any 30 days. `pending_s`: how long
    what was earned waits until it can be spent, because until then the tab may be refunded or disputed. `expires_s`:
    from when it was earned. `referral_minor`: for each of both, after the friend's first paid tab of at least
    `referral_least_minor`; 0: nobody is rewarded for inviting.
    """

    rate_basis_points: int = 0
    least_minor: int = 0
    per_tab_minor: int = 0
    per_month_minor: int = 0
    pending_s: int = 14 * _DAY_S
    expires_s: int = 365 * _DAY_S
    referral_minor: int = 0
    referral_least_minor: int = 0
    referrals_per_month: int = 5


class StoryTerms(Struct, frozen=True, kw_only=True):
    """A part of the policy: everybody with a fulfilled visit is asked, so many days after it ended."""

    ask_after_days: int = 14
