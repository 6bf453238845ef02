"""The stories that `make demo` plays, and the business that they play in."""
