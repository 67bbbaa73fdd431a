"""`make demo`: a sample site goes in, preserved and verified evidence comes out.

Exit code 0 only if every submitted row is preserved or failed with a reason, and the archive is proven.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from demo import journey, results
from demo.deployment import DemoFailed, Deployment, fresh
from demo.showing import Voice
from demo.site import SampleSite
from preservation.errors import PreservationError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; the exit code."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    voice = Voice()
    try:
        is_good = _travel(options, fresh(options.home), voice)
    except KeyboardInterrupt:
        voice.plain("Stopped; everything that the demo started has ended.")
        return 130
    except (DemoFailed, PreservationError) as error:
        voice.plain(f"The demo failed: {error}", style="bold red")
        return 1
    voice.plain(f"{'Done' if is_good else 'Not as it must be'} after {voice.elapsed_s():.0f} s.")
    return 0 if is_good else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("demo-home"), help="made anew [demo-home]")
    parser.add_argument(
        "--without-airflow", action="store_true", help="use 'preserve run --until-idle' instead"
    )
    parser.add_argument(
        "--keep-running", action="store_true", help="keep site and Airflow for a look, until Ctrl-C"
    )
    return parser.parse_args(arguments)


def _travel(options: argparse.Namespace, deployment: Deployment, voice: Voice) -> bool:
    os.environ.update(deployment.environment())
    voice.heading("A sample site, a sheet, an archive")
    with SampleSite() as site:
        voice.say(f"the sample site serves at {site.base_url}")
        journey.set_up(deployment, voice)
        submitted = journey.submit(deployment, site, voice)
        if options.without_airflow:
            journey.work_without_airflow(deployment, voice)
            is_good = results.show(deployment, submitted, voice)
            _linger(options, voice)
            return is_good
        with journey.airflow_running(voice) as running:
            journey.work_in_airflow(voice)
            is_good = results.show(deployment, submitted, voice)
            if options.keep_running:
                voice.plain(f"Airflow: {running.url}, user {running.user}, password in")
                voice.plain(str(running.password_file))
            _linger(options, voice)
    return is_good


def _linger(options: argparse.Namespace, voice: Voice) -> None:
    if options.keep_running:
        voice.plain("Everything runs on; Ctrl-C ends it.", style="bold")
        threading.Event().wait()


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """SIGTERM ends the demo the way that Ctrl-C does: everything it started is stopped."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
