"""A Hypothesis profile with the same examples in every run, so that a failure can be repeated."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "aftertab",
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("aftertab")
