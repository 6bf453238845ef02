"""`make kill-test`: kills the app's processes at random moments under load. Nothing acknowledged may be lost."""
