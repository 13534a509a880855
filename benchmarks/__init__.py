"""How fast and how small Fidelio is, beside its peers: `python -m benchmarks`."""
