#!/bin/sh
# Babel: a currency without a symbol of its own is written without the space that CLDR puts between letters and digits.
# In English that is every code: KWD, PLN, AED, HUF. CLDR has a pattern for it (alphaNextToNumber), which Babel does not read.
. "$(dirname "$0")/_run.sh"

run 'babel==2.19.0' <<'PYTHON'
import babel
from babel.numbers import format_currency

shown = {code: format_currency(1250, code, locale="en") for code in ("KWD", "PLN", "AED", "USD")}
print(f"babel {babel.__version__}: {shown}")
assert shown["KWD"] == "KWD1,250.000" and shown["PLN"] == "PLN1,250.00", "Babel puts a space now: the finding is out of date"
# CLDR 42 and newer, numbers/currencyFormats/standard-alphaNextToNumber of "en": ¤ #,##0.00
print("ICU, of the same data: 'KWD 1,250.000', with a no-break space")
PYTHON
