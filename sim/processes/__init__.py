"""What takes time and people: the roll-out of levers and the service desk, simulated with SimPy."""
