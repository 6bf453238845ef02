#!/bin/sh
# dj-stripe divides and multiplies every amount by 100. It has a list of the currencies without decimals (ZERO_DECIMAL_CURRENCIES),
# which nothing reads, and none of those with three. A charge of ¥5,000 is stored as 50.00; who gives ¥1,000 of it back asks for
# the lesser of 50.00 and 1000, times 100: all of it. A refund of KWD 1.000 becomes one of KWD 0.100.
. "$(dirname "$0")/_run.sh"
run dj-stripe==2.11.0 stripe==15.6.2 Django==5.2.19 <<'PYTHON'
import json
import threading
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from urllib.parse import parse_qs

asked = []


class Stripe(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, {"id": "acct_1", "object": "account", "settings": {"dashboard": {}, "branding": {}}})

    def do_POST(self):
        asked.append(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        self.answer(400, {"error": {"type": "invalid_request_error", "message": "What was asked for is enough."}})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = HTTPServer(("127.0.0.1", 0), Stripe)
threading.Thread(target=server.serve_forever, daemon=True).start()

import django
from django.conf import settings
from django.core.management import call_command

apps = ["auth", "contenttypes", "djstripe"]
settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "djstripe"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    MIGRATION_MODULES=dict.fromkeys(apps),  # Tables as the models are now; migrating takes a minute.
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    STRIPE_TEST_SECRET_KEY="sk_test_" + "0" * 24,
    STRIPE_LIVE_MODE=False,
    STRIPE_API_HOST=f"http://127.0.0.1:{server.server_port}",
    DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
)
django.setup()
call_command("migrate", run_syncdb=True, verbosity=0)

import stripe
from djstripe.models import Charge


def asks_for(currency, part):
    """The amount that Stripe is asked to give back, of a charge of 5000 of the smallest unit."""
    paid = {"amount": 5000, "amount_captured": 5000, "paid": True, "captured": True, "status": "succeeded"}
    rest = {"amount_refunded": 0, "refunded": False, "disputed": False, "metadata": {}, "livemode": False}
    charge = Charge.sync_from_stripe_data(
        {"id": f"ch_{currency}", "object": "charge", "created": 1767225600, "currency": currency, **paid, **rest}
    )
    charge.refresh_from_db()
    try:
        charge.refund(Decimal(part))
    except stripe.InvalidRequestError:
        pass
    amount = int(asked[-1]["amount"][0])
    print(f"5000 of {currency}'s smallest unit, shown as {charge}; to give {part} back, Stripe is asked for {amount}")
    return amount


seen = [asks_for("usd", "10.00"), asks_for("jpy", "1000"), asks_for("kwd", "1.000")]
print("dj-stripe", version("dj-stripe"), "stripe", version("stripe"))
assert seen == [1000, 5000, 100], "it asks for something else by now"
PYTHON
