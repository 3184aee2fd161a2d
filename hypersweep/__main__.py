"""`python -m hypersweep`."""

from hypersweep.cli import main

main()
