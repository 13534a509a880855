"""One thin module per command of `fidelio`: `main` does what the command says."""
