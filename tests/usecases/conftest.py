"""The shop in which every use case is tried."""

import pytest

from tests.usecases.shop import Shop


@pytest.fixture
def shop() -> Shop:
    return Shop()
