"""`make kill-test`: the app under load, its processes killed at random moments; nothing acknowledged may be lost."""
