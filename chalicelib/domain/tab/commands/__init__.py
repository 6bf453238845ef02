"""The commands: what people do to a tab. Each is a pure function that writes its decision on a Draft, or refuses.

All raise the DomainError that actions.refusal names; what else they raise is in their docstrings. The consequences that
follow by themselves (captures, releases, closing) are the agenda's, within the same change.
"""
