"""The local stack and the proofs that run on it; never deployed."""
