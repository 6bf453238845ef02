#!/bin/sh
# A page of a list may be empty and still have more behind it, when what was on it has been filtered out. stripe-python
# takes the last item of such a page to ask for the next one. What is behind it is never read; the program gets an IndexError, which is
# no StripeError, so handlers of Stripe's errors do not see it.
. "$(dirname "$0")/_run.sh"
run stripe==16.1.0 <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import stripe


class Lists(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"object": "list", "url": "/v1/payment_intents", "data": [], "has_more": True}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = HTTPServer(("127.0.0.1", 0), Lists)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = stripe.StripeClient("sk_test_finding", base_addresses={"api": f"http://127.0.0.1:{server.server_port}"})
try:
    found = list(client.v1.payment_intents.list().auto_paging_iter())
except Exception as error:
    print("stripe", stripe.VERSION)
    print(f"{type(error).__name__}: {error}; a StripeError: {isinstance(error, stripe.StripeError)}")
    assert isinstance(error, IndexError), "it raises something else by now"
else:
    raise SystemExit(f"it read on and found {len(found)} by now")
PYTHON
