"""Maximum likelihood: climb to the top, see how sharp it is, carry errors to what is reported.

Parameters with a range (rates, smoothing) are estimated on a scale without one; estimates and
standard errors are carried back by the delta method. A `Prior` keeps in sight what the data cannot
tell, as where nobody buys a brand; where they can tell it hardly counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from sim.calibration.fit import Estimate
from sim.types import F64

Likelihood = Callable[[F64], tuple[float, F64]]
"""Parameters to a log-likelihood and its gradient."""

STEP = 1e-4
"""Step of the gradient differences that give the Hessian."""
FINE_STEP = 1e-5
"""Step of differences of a likelihood, or of what follows from the parameters."""
TOO_FAR = 1e6
"""Loss of a point that cannot be evaluated, in units of the loss at the start."""
FLATTEST = 1e-8
"""Least curvature, as a share of the sharpest, that still tells something."""


@dataclass(frozen=True)
class Maximum:
    """The maximum of a log-likelihood."""

    at: F64
    covariance: F64
    """Inverse of the negative Hessian."""
    log_likelihood: float
    """Without the prior, if there was one."""
    flat: int = 0
    """Directions in which the likelihood does not fall; their variance is set to 0."""


@dataclass(frozen=True)
class Prior:
    """Independent normal priors."""

    mean: F64
    sd: F64

    def add_to(self, function: Likelihood) -> Likelihood:
        """Return the log-likelihood plus the prior's log density, but for a constant."""

        def both(at: F64) -> tuple[float, F64]:
            value, gradient = function(at)
            z = (at - self.mean) / self.sd
            return value - float(z @ z) / 2, gradient - z / self.sd

        return both


def climb(
    function: Likelihood, start: F64, *, spread: F64 | None = None, tolerance: float = 1e-6
) -> F64:
    """Find the maximum of a log-likelihood that comes with its gradient.

    Parameters
    ----------
    function
        The log-likelihood.
    start
        Where to begin.
    spread
        A guess at the inverse of the negative Hessian; it saves steps.
    tolerance
        Gradient per unit of the log-likelihood at the start that counts as 0.
    """
    scale = max(abs(function(start)[0]), 1.0)  # so that it means the same for every data set

    def loss(at: F64) -> tuple[float, F64]:
        with np.errstate(over="ignore", invalid="ignore"):
            value, gradient = function(at)
        if not np.isfinite(value) or not np.isfinite(gradient).all():
            return TOO_FAR, np.zeros_like(at)  # a trial step beyond what numbers can hold
        return -value / scale, -gradient / scale

    options: Any = {"gtol": tolerance}
    if spread is not None:
        options["hess_inv0"] = (spread + spread.T) / 2 * scale
    return np.asarray(minimize(loss, start, jac=True, method="BFGS", options=options).x)


def curvature(function: Likelihood, at: F64) -> F64:
    """Return the negative Hessian of a log-likelihood, from gradients nearby."""
    steps = STEP * np.eye(len(at))
    hessian = np.array([function(at - s)[1] - function(at + s)[1] for s in steps]) / (2 * STEP)
    symmetric: F64 = (hessian + hessian.T) / 2
    return symmetric


def invert(information: F64) -> tuple[F64, int]:
    """Invert a negative Hessian; say how many of its directions tell nothing and were set to 0."""
    values, vectors = np.linalg.eigh(information)
    told = values > FLATTEST * max(values.max(), 0.0)
    inverse: F64 = (vectors[:, told] / values[told]) @ vectors[:, told].T
    return inverse, int(np.sum(~told))


def maximize(
    function: Likelihood, start: F64, *, prior: Prior | None = None, spread: F64 | None = None
) -> Maximum:
    """Maximise a log-likelihood; the covariance is the inverse of its negative Hessian.

    Parameters
    ----------
    function
        The log-likelihood with its gradient; see `with_gradient`.
    start
        Where to begin.
    prior
        Is added to what is maximised, and so to the Hessian.
    spread
        As in `climb`.
    """
    target = function if prior is None else prior.add_to(function)
    at = climb(target, start, spread=spread)
    covariance, flat = invert(curvature(target, at))
    return Maximum(at, covariance, function(at)[0], flat)


def with_gradient(function: Callable[[F64], float]) -> Likelihood:
    """Add to a function its gradient by central differences."""

    def both(at: F64) -> tuple[float, F64]:
        steps = FINE_STEP * np.eye(len(at))
        slopes = [function(at + s) - function(at - s) for s in steps]
        return function(at), np.array(slopes) / (2 * FINE_STEP)

    return both


def describe(found: Maximum, name: Callable[[F64], dict[str, float]]) -> dict[str, Estimate]:
    """Name the estimates and what follows from them; standard errors by the delta method."""
    centre = name(found.at)
    steps = FINE_STEP * np.eye(len(found.at))
    sides = [(name(found.at + s), name(found.at - s)) for s in steps]
    slopes = np.array([[up[k] - down[k] for up, down in sides] for k in centre]) / (2 * FINE_STEP)
    variances = np.einsum("ki,ij,kj->k", slopes, found.covariance, slopes)
    errors = np.sqrt(np.maximum(variances, 0.0))
    return {
        key: Estimate(float(value), float(error))
        for (key, value), error in zip(centre.items(), errors, strict=True)
    }
