"""The stories that `make demo` plays, and the business in which they take place."""
