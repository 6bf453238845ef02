"""A stateful local stand-in for Stripe's HTTP API: `python -m devstack.stripe_standin --port N`. See
docs/stripe-standin.md.
"""
