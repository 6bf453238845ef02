"""Fixtures: a shop for the use cases, and a Hypothesis profile with the same examples in every run."""

import pytest
from hypothesis import HealthCheck, settings

from tests.usecases.shop import Shop

settings.register_profile(
    "aftertab",
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("aftertab")


@pytest.fixture
def shop() -> Shop:
    return Shop()
