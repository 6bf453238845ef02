"""Aftertab: pay after the service. docs/architecture.md says what is where."""

from chalicelib import cold_start

# Here, because every function loads this package first.
cold_start.begin()
