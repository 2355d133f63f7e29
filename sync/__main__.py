"""`python -m sync` is `zexa-sync`."""

from sync.cli import main

main()
