"""`make races`: many clients at once on one tab, over HTTP, against several app processes on one table."""
