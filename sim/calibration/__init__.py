"""From what a firm has observed to a market: panels, order logs, target figures, lift tests."""
