"""Loyalty, churn and the rest, each a function from a run's history to an array.

Every measure takes a `History` and returns shape (n_quarters, n_segments + 1, n_brands); the last
segment row is the whole market. A measure that does not exist (nobody to ask) is NaN.
"""
