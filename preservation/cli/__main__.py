"""``python -m preservation.cli`` is the program `preserve`."""

from preservation.cli import main

main()
