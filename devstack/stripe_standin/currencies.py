"""Owns what Stripe documents about currencies: exponents, steps, smallest and largest charge, how an amount is written.

Source: https://docs.stripe.com/currencies (zero-decimal, three-decimal, special cases, minimum amounts).
"""

from __future__ import annotations

from .errors import invalid

ZERO_DECIMAL = frozenset(
    """
    bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf
    """.split()  # noqa: SIM905
)
THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
# Zero-decimal in the world, two-decimal on Stripe's wire, so only whole hundreds can be charged.
WHOLE_HUNDREDS = frozenset(["isk", "ugx"])
TWO_DECIMAL = frozenset(
    """
    usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny
    cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr jmd kes
    kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd
    pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd
    tzs uah uyu uzs wst xcd yer zar zmw
    """.split()  # noqa: SIM905
)
KNOWN = ZERO_DECIMAL | THREE_DECIMAL | WHOLE_HUNDREDS | TWO_DECIMAL

MINIMUM = {
    "usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50,
    "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50,
    "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip
# Elsewhere Stripe converts into the settlement currency and applies that minimum. We settle in what was presented, so
# these are US$0.50 at a rounded rate: right to the order of magnitude, which is what a caller's test needs.
ROUGHLY_HALF_A_DOLLAR = {
    "kwd": 160, "bhd": 190, "jod": 360, "omr": 200, "tnd": 1550, "isk": 7000, "ugx": 190000, "krw": 700, "vnd": 13000,
    "clp": 470, "xof": 300, "xaf": 300, "rwf": 720, "pyg": 3700,
}  # fmt: skip
MAXIMUM = 99_999_999
SYMBOL = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "inr": "₹"}


def written(amount: int, currency: str) -> str:
    """'$10.00', '¥50', '1.230 kwd': as Stripe writes amounts in its messages."""
    digits = 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2
    number = f"{amount / 10**digits:,.{digits}f}"
    return SYMBOL[currency] + number if currency in SYMBOL else f"{number} {currency}"


def known(value: str, name: str = "currency") -> str:
    currency = value.lower()
    if currency not in KNOWN:
        raise invalid(
            f"Invalid currency: {value.lower()}. Stripe supports the currencies listed at https://stripe.com/docs/currencies",
            param=name,
        )
    return currency


def minimum(currency: str) -> int:
    return MINIMUM.get(currency, ROUGHLY_HALF_A_DOLLAR.get(currency, 1))


def check_step(amount: int, currency: str, param: str) -> None:
    if currency in THREE_DECIMAL and amount % 10:
        raise invalid(
            f"Invalid amount: the last digit of an amount in {currency} must be 0.",
            code="invalid_charge_amount",
            param=param,
        )
    if currency in WHOLE_HUNDREDS and amount % 100:
        raise invalid(
            f"Invalid amount: an amount in {currency} must be evenly divisible by 100.",
            code="invalid_charge_amount",
            param=param,
        )


def check_charge(amount: int, currency: str, param: str = "amount") -> None:
    """Raises the documented error unless this amount can be charged in this currency."""
    if amount < 1:
        raise invalid("This value must be greater than or equal to 1.", code="parameter_invalid_integer", param=param)
    if amount > MAXIMUM:
        raise invalid(f"Amount must be no more than {written(MAXIMUM, currency)}", code="amount_too_large", param=param)
    check_step(amount, currency, param)
    if amount < minimum(currency):
        text = written(minimum(currency), currency)
        raise invalid(
            f"Amount must be at least {text}{'' if text.endswith(currency) else ' ' + currency}",
            code="amount_too_small",
            param=param,
        )
