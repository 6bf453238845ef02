"""`make reconcile`: an operator's reconciliation, and its proof on a local stack. Nothing here is deployed."""
