"""The fault matrix: operations that move money × boundaries × faults × orders of webhooks.

`table` says which combinations can occur, and why the others can't; `traps` lets one fault happen at one boundary;
`world` is the app on a store with the Stripe stand-in in the same process; `stories` are the ten things that move
money; `run` plays one combination and looks at what came of it. `make faults` plays them all.
"""
