"""`make reconcile`: an operator's reconciliation, and a proof of it on a stack of its own; nothing here is deployed."""
