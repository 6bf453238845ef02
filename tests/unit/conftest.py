"""Hypothesis draws the same examples in every run, so that a red run can be run again."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "aftertab",
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("aftertab")
