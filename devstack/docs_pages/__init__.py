"""`make guides`: the pages at /docs, made from docs/guides."""
