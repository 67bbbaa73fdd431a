"""The supervisor's process: ``python -m preservation.supervisor --home DIR``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from preservation import settings
from preservation.supervisor.daemon import run_alone


def main() -> int:
    """Run the supervisor of the home that the command line names."""
    parser = argparse.ArgumentParser(prog="preservation.supervisor")
    parser.add_argument("--home", type=Path, required=True)
    return run_alone(settings.load(parser.parse_args().home))


if __name__ == "__main__":
    sys.exit(main())
