"""Renew time stamps: see which expire, and have a newer one cover them before they do.

Every day at 04:10 UTC. A token is good beyond the end of its signer's certificate if a later token,
made before that end, covers it. Every seal stamps the whole log, earlier tokens included, so most are
renewed in passing; this makes a seal where nothing else asks for one, once an authority gives tokens
that last longer. `renew_before_days` (180) says how early.

Safe to re-run: always; what is renewed isn't due any more, and no seal is made that would not help.

On failure: red means that tokens expire soon and that no configured authority gives longer ones:
`preserve timestamps --expiring 180` lists them. Add an authority with younger certificates to
preserve.toml (docs/trusted-time.md), then run `preserve timestamps renew`. There is time, but not for
ever. Red with EvidenceAtRisk: as for `seal`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag
from dispositions import step, verdict


@step(execution_timeout=timedelta(hours=2))
def renew() -> None:
    """Have what expires covered."""
    from preservation import pipeline, settings

    pipeline.renew_timestamps(settings.load())


@verdict
def judge() -> None:
    """Red if something expires that can't be renewed yet."""
    from preservation import pipeline, settings

    pipeline.verdict(settings.load(), "renew_timestamps")


@dag(
    schedule=CronTriggerTimetable("10 4 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["preservation"],
)
def renew_timestamps() -> None:
    """Renew, judge."""
    renew() >> judge()


renew_timestamps()
