"""Planning under uncertainty: what could go wrong, what decides, which plan to choose."""
