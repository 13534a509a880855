"""Money: what a run earns and costs, what a plan returns against the baseline, and at what risk."""
