"""`python -m harness` is the `harness` command; launchers start it so (`accelerate launch --module`)."""

from harness.cli import main

main()
