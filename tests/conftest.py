"""How Hypothesis runs: a few examples, always the same; many with `--hypothesis-profile random` or `long`."""

from __future__ import annotations

import gc

from hypothesis import HealthCheck, settings

# Histories are large, and fits slow beside what Hypothesis expects; how long an example takes decides nothing.
_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture)

settings.register_profile(
    "deterministic", derandomize=True, database=None, deadline=None, max_examples=12, suppress_health_check=_SLOW
)
settings.register_profile("random", deadline=None, max_examples=250, print_blob=True, suppress_health_check=_SLOW)
settings.register_profile("long", settings.get_profile("random"), max_examples=1_500)
settings.load_profile("deterministic")


def pytest_collection_finish() -> None:
    """What was imported stays; to look through it again and again for garbage takes a tenth of the suite's time."""
    gc.collect()
    gc.freeze()
