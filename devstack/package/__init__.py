"""From the source to what is deployed: `chalice package`, then slimmed, compiled and zipped alike on every machine."""
