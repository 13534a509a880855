"""What common random numbers are worth: the ratio of variances."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import variance


def test_the_ratio_of_variances_is_one_without_anything_in_common_and_infinite_if_all_is():
    rng = np.random.default_rng(5)
    own, baseline = rng.normal(0, [[2.0], [1.0]], (2, 200_000))
    assert variance.ratios(own, baseline) == pytest.approx(1.0, abs=0.02)
    common = rng.normal(0, 6.0, 200_000)
    paired = variance.ratios(own + common, baseline + common)
    assert paired == pytest.approx((4 + 36 + 1 + 36) / 5, rel=0.03)
    assert variance.ratios(baseline, baseline) == np.inf
    elsewhere = rng.normal(0, 1.0, 200_000)
    assert variance.ratios(own, baseline, elsewhere) == pytest.approx(1.0, abs=0.02)
