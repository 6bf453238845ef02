#!/bin/sh
# Babel follows CLDR's digits for cash: ALL, COP, HUF and IDR get none. Card networks charge these with two decimals
# (https://docs.stripe.com/currencies), so what a person reads is not what was charged; 1,234.50 and 1,235.50 even round
# to different sides. Switching the digits of the currency off shows them, but gives KWD, which has three, two as well.
. "$(dirname "$0")/_run.sh"
run Babel==2.19.0 <<'PYTHON'
import babel
from babel.numbers import format_currency, get_currency_precision

print("Babel", babel.__version__)
for code in ("ALL", "COP", "HUF", "IDR"):
    shown = format_currency(1234.50, code, locale="en_US"), format_currency(1235.50, code, locale="en_US")
    print(f"1234.50 and 1235.50 {code}: {shown[0]} and {shown[1]}")
    assert get_currency_precision(code) == 0
    assert shown == (f"{code}1,234", f"{code}1,236"), "Babel shows something else by now"
kuwait = format_currency(1234.567, "KWD", locale="en_US", currency_digits=False)
print("1234.567 KWD without the currency's own digits:", kuwait)
assert kuwait.endswith("1,234.57"), "KWD keeps its three digits by now"
PYTHON
