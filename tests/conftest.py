"""Settings of all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# The same examples in every run, so that CI never fails by chance. To search on:
# pytest --hypothesis-profile=deep
settings.register_profile(
    "fixed",
    max_examples=60,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "deep", settings.get_profile("fixed"), max_examples=1000, derandomize=False
)
settings.load_profile("fixed")
