"""Where Chromium is, and how it is started: it talks to nobody but this machine, and runs as root in containers."""

from __future__ import annotations

import shutil

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""Its path; None where there is none."""
QUIETLY = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Each new window would load two pages of Chromium's own, for an address bar that nobody sees: half of the time that a
    # look at a page takes. Playwright names features of its own that it disables, and only the last such list counts: what
    # follows the first two is of it.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,AimEnabled,LensOverlay,MediaRouter,OptimizationHints,"
    "PaintHolding,PreconnectToSearch",
)
