"""Where work runs: one interface, no knowledge of models."""
