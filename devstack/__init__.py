"""What `make demo` and `make serve` run on a laptop; never deployed."""
