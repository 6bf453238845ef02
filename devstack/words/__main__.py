"""`make messages`: bring catalogues and docs/messages.md up to date with the templates; say what is not translated."""

from __future__ import annotations

import sys

from devstack.words import catalogues, document


def main() -> int:
    catalogues.write_all()
    found = list(catalogues.problems())
    if not found:
        document.TARGET.write_text(document.document())
    print("\n".join(found) or "All texts are translated.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
