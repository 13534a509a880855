"""`python -m sim` does what `fidelio` does."""

from sim.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
