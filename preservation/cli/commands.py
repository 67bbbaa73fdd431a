"""The commands: each reads its arguments, calls one function below and prints the answer."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

import preservation
from preservation import clock, pipeline
from preservation.cli.options import (
    ANY_NAME,
    Commands,
    Progress,
    home_option,
    json_option,
    named_home,
    print_findings,
    print_json,
    print_table,
    settings_of,
    tell,
)
from preservation.errors import BadInput
from preservation.settings import home_from, require_outside

if TYPE_CHECKING:
    from preservation.submission import SubmissionAnswer
    from preservation.verify import Verdict

Context = click.Context

STOPPED = "Stopped. Nothing is lost; run the same command again to go on."
_SAY_EVERY_S = 3.0
_MOST_ROWS_NAMED = 10


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 findings, 2 usage, 3 refused by policy, 4 can't be checked now.",
)
@click.version_option(preservation.__version__, prog_name="preserve")
@home_option
def preserve() -> None:
    """Preserve submitted material so that it stands in court years later."""


@preserve.command()
@click.option("--new-database", is_flag=True, help="Begin an empty one where the old one is lost.")
@home_option
@json_option
@click.pass_context
def init(context: Context, *, new_database: bool, as_json: bool) -> None:
    """Set up a deployment in its home directory; running it again repairs, and keeps what exists."""
    settings = pipeline.initialise(named_home(context) or _default_home(), begins_database=new_database)
    tests = [authority.name for authority in settings.authorities if authority.is_test]
    if as_json:
        print_json(
            {
                "home": str(settings.home),
                "log_origin": settings.log_origin,
                "authorities": [authority.name for authority in settings.authorities],
                "test_authorities": tests,
            }
        )
        return
    click.echo(f"The deployment at {settings.home} is ready.")
    click.echo(f"Copy {settings.trust} to a safe place: a verifier trusts what it holds.")
    if settings.home.stat().st_mode & 0o007:
        click.echo(f"WARNING: every account of this machine may enter {settings.home}; close it.")
    for name in tests:
        click.echo(
            f"WARNING: '{name}' is a TEST AUTHORITY. Its time stamps prove nothing about time; "
            f"name real authorities in {settings.home / 'preserve.toml'} before you collect evidence."
        )


@preserve.group()
@home_option
def organisation() -> None:
    """Organisations that may submit."""


@organisation.command("add")
@click.argument("organisation_id", metavar="ID")
@click.option("--name", help="Its name; kept in the database only, never in the archive.")
@home_option
@json_option
@click.pass_context
def organisation_add(
    context: Context, organisation_id: str, name: str | None, *, as_json: bool
) -> None:
    """Register the organisation ID; the same again changes nothing."""
    from preservation.submission import add_organisation

    reference = add_organisation(_database(context), organisation_id, name=name)
    answer = {"organisation_id": organisation_id, "submitter_ref": reference}
    tell(
        answer,
        f"{organisation_id} is registered; the archive knows it as {reference}.",
        as_json=as_json,
    )


@preserve.group()
@home_option
def agreement() -> None:
    """Agreements that submissions are judged by."""


@agreement.command("add")
@click.option("--organisation", "organisation_id", required=True, metavar="ID", help="Whose agreement.")
@click.argument("terms", required=False, type=click.Path(dir_okay=False, path_type=Path))
@home_option
@json_option
@click.pass_context
def agreement_add(context: Context, organisation_id: str, terms: Path | None, *, as_json: bool) -> None:
    """Put the terms in the file TERMS (JSON) in force; without it everything is allowed, no quota."""
    from preservation.submission import add_agreement

    version = add_agreement(_database(context), organisation_id, _terms(terms))
    answer = {"organisation_id": organisation_id, "agreement_version": version}
    tell(
        answer,
        f"Version {version} of the agreement with {organisation_id} is in force.",
        as_json=as_json,
    )


@preserve.command()
@click.argument("sources", nargs=-1, required=True, type=ANY_NAME)
@click.option("--organisation", "organisation_id", required=True, metavar="ID", help="Who submits.")
@click.option("--plan", metavar="NAME", help="Collection plan of rows that name none themselves.")
@click.option("--dry-run", is_flag=True, help="Judge every row, change nothing.")
@home_option
@json_option
@click.pass_context
def submit(  # noqa: PLR0913 - one per option
    context: Context,
    sources: tuple[str, ...],
    organisation_id: str,
    *,
    plan: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Submit one sheet (CSV, TSV, XLSX), or URLs and files: SHEET | (URL | FILE)...

    Good rows are taken, bad ones are reported, all at once; the same sheet twice changes nothing.
    Exit code 1 says that some rows were refused, 3 that the agreement refuses all of them.
    """
    from preservation import submission
    from preservation.state import open_database

    settings = settings_of(context)
    answer = submission.submit(
        open_database(settings.database_url),
        settings,
        organisation_id=organisation_id,
        sources=sources,
        plan=plan,
        dry_run=dry_run,
    )
    document = answer.to_json()
    if answer.submission_id and not dry_run:
        sheet = pipeline.return_sheet(settings, answer.submission_id)
        document["returned_sheet"] = str(sheet)
    if as_json:
        print_json(document)
    else:
        _print_answer(answer, document)
    context.exit(_submit_exit_code(answer))


@preserve.command()
@click.option("--until-idle", is_flag=True, required=True, help="Work until nothing is left to do.")
@home_option
@json_option
@click.pass_context
def run(context: Context, *, until_idle: bool, as_json: bool) -> None:
    """Capture, describe, seal and cluster in this process, without Airflow.

    Ctrl-C and SIGTERM end it at once; the same command goes on from there.
    """
    del until_idle
    with _ending_at_once():
        done = pipeline.run_until_idle(settings_of(context), Progress())
    tell(done, f"Idle. Sealed {len(done['sealed_batches'])} batch(es).", as_json=as_json)


@preserve.command()
@click.option("--submission", "submission_id", metavar="ID", help="This submission only.")
@click.option("--organisation", "organisation_id", metavar="ID", help="This organisation's only.")
@home_option
@json_option
@click.pass_context
def status(
    context: Context, submission_id: str | None, organisation_id: str | None, *, as_json: bool
) -> None:
    """Say what became of every submitted row."""
    from preservation.submission import status_of

    found = status_of(_database(context), submission_id=submission_id, organisation_id=organisation_id)
    if as_json:
        print_json({"submissions": found})
        return
    if not found:
        click.echo("Nothing has been submitted yet.")
    for entry in found:
        click.echo(f"\nSubmission {entry['submission_id']} of {entry['organisation_id']}")
        rows = [{**item, "what": item["url"] or item.get("file")} for item in entry["items"]]
        print_table(rows, ("row", "status", "reason", "attempts", "what"))


@preserve.command()
@click.argument("submission_id", metavar="SUBMISSION")
@home_option
@json_option
@click.pass_context
def sheet(context: Context, submission_id: str, *, as_json: bool) -> None:
    """Write the sheet of SUBMISSION as it goes back: with status, reason, digest and receipt."""
    path = pipeline.return_sheet(settings_of(context), submission_id)
    tell({"returned_sheet": str(path)}, str(path), as_json=as_json)


@preserve.command()
@click.option(
    "--place",
    type=click.Choice(["archive", "replica"]),
    default="archive",
    show_default=True,
    help="The archive, or its second copy.",
)
@home_option
@json_option
@click.pass_context
def verify(context: Context, *, place: str, as_json: bool) -> None:
    """Derive every digest, row, log entry, proof and token anew from bytes, and say what was found.

    Exit code 0: proven; 1: broken; 4: honest gaps (something is pending or can't be checked).
    """
    from preservation.pipeline.places import Place

    progress = None if as_json else _Percentage()
    verdict = pipeline.verify(settings_of(context), progress, place=Place(place))
    if as_json:
        print_json(verdict.to_json())
    else:
        _print_verdict(verdict)
    context.exit({"proven": 0, "broken": 1}.get(verdict.verdict, 4))


@preserve.command("query")
@click.argument("sql")
@home_option
@json_option
@click.pass_context
def query_command(context: Context, sql: str, *, as_json: bool) -> None:
    """Ask the sealed manifests in SQL: one view per table (submissions, items, captures, objects,
    resources, derivations, fingerprints, protected, events, timestamps, compared, edges, clusters,
    merges).
    """
    from preservation import query

    answer = query.ask(settings_of(context), sql)
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, answer.columns)


@preserve.command("report")
@click.argument("target", required=False, type=click.Path(dir_okay=False, path_type=Path))
@home_option
@json_option
@click.pass_context
def report_command(context: Context, target: Path | None, *, as_json: bool) -> None:
    """Write an HTML report of everything sealed to TARGET [HOME/reports/report.html].

    Thumbnails are blurred and grey. The page states the verdict of 'preserve verify', found anew.
    """
    from preservation import report

    settings = settings_of(context)
    if target is not None:
        require_outside(settings, target)
    verdict = pipeline.verify(settings, _Percentage())
    path = target or settings.reports / "report.html"
    written = str(report.write_report(settings, path, verdict=verdict.to_json()))
    tell({"report": written, "verdict": verdict.verdict}, written, as_json=as_json)


@preserve.command()
@home_option
@click.option("--foreground", is_flag=True, help="Stay in front; Ctrl-C stops everything.")
@json_option
@click.pass_context
def up(context: Context, *, foreground: bool, as_json: bool) -> None:
    """Start Airflow under our supervisor and leave it running.

    If it runs already, nothing changes. With --foreground nothing is printed on standard output.
    """
    from preservation import supervisor

    running = supervisor.up(settings_of(context), foreground=foreground, progress=Progress())
    if running is None:
        return
    sentences = (
        f"Airflow is ready at {running.url}",
        f"User {running.user}; the password is in {running.password_file}",
    )
    tell(asdict(running), "\n".join(sentences), as_json=as_json)


@preserve.command()
@home_option
@json_option
@click.pass_context
def down(context: Context, *, as_json: bool) -> None:
    """Stop Airflow and everything that it started."""
    from preservation import supervisor

    stopped = supervisor.down(settings_of(context), progress=Progress())
    is_nothing = not (stopped.was_running or stopped.ended_by_force)
    sentence = "Nothing was running." if is_nothing else "Airflow is stopped."
    tell(asdict(stopped), sentence, as_json=as_json)


@contextmanager
def _ending_at_once() -> Iterator[None]:
    """Let SIGINT and SIGTERM end this process without waiting for its threads.

    These finish whole batches, which can take hours; the next run finds whatever was under way.
    """
    owner = os.getpid()

    def end(number: int, _frame: FrameType | None) -> None:
        if os.getpid() == owner:
            # Not by click: the signal may have come in the middle of a line.
            os.write(2, f"{STOPPED}\n".encode())
        os._exit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Percentage:
    """Progress of a check over bytes: a line every few seconds, none for a short one."""

    def __init__(self) -> None:
        self._said_at, self._say = clock.monotonic_s(), Progress()

    def __call__(self, done: int, total: int) -> None:
        if clock.monotonic_s() - self._said_at > _SAY_EVERY_S:
            self._said_at = clock.monotonic_s()
            self._say(f"checked {done * 100 // max(total, 1)} % of {total:,} bytes")


def _default_home() -> Path:
    return home_from(os.environ)


def _database(context: Context) -> Any:
    from preservation.state import open_database

    return open_database(settings_of(context).database_url)


def _terms(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    remedy = "Give a file with one JSON object; docs/submitting.md lists the clauses."
    try:
        terms = json.loads(path.read_text("utf-8-sig"), object_pairs_hook=_each_name_once)
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"The terms in {path} can't be read: {error}.", remedy=remedy) from error
    if not isinstance(terms, dict):
        raise BadInput(f"The terms in {path} aren't a JSON object.", remedy=remedy)
    return terms


def _each_name_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        names = [name for name, _ in members]
        twice = ", ".join(sorted({ascii(name) for name in names if names.count(name) > 1}))
        msg = f"it says {twice} more than once"
        raise ValueError(msg)
    return found


def _submit_exit_code(answer: SubmissionAnswer) -> int:
    if not answer.refused_count:
        return 0
    by_agreement = all(
        row.is_accepted or any(refusal.clause for refusal in row.refusals) for row in answer.rows
    )
    return 3 if by_agreement and not answer.accepted_count else 1


def _print_answer(answer: SubmissionAnswer, document: dict[str, Any]) -> None:
    if answer.is_dry_run:
        click.echo("Dry run: nothing was changed.")
    elif answer.is_repeat:
        click.echo("This was submitted before; nothing was changed.")
    click.echo(f"{answer.accepted_count} row(s) taken, {answer.refused_count} refused.")
    for note in (*answer.notes, *_row_notes(answer)):
        click.echo(f"note: {note}")
    refusals = [refusal.to_json() for row in answer.rows for refusal in row.refusals]
    if refusals:
        print_table(refusals, ("row", "column", "value", "reason", "fix", "clause"))
    for label, name in (
        ("Submission", "submission_id"),
        ("Receipt", "receipt_path"),
        ("Your sheet", "returned_sheet"),
    ):
        if document.get(name):
            click.echo(f"{label}: {document[name]}")


def _row_notes(answer: SubmissionAnswer) -> list[str]:
    """Each thing to say about rows once, with the first rows that it is about."""
    rows: dict[str, list[str]] = {}
    for row in answer.rows:
        for note in row.notes:
            rows.setdefault(note, []).append(str(row.row_number))
    return [f"{_rows_named(numbers)}: {note}" for note, numbers in rows.items()]


def _rows_named(numbers: list[str]) -> str:
    more = len(numbers) - _MOST_ROWS_NAMED
    named = ", ".join(numbers[:_MOST_ROWS_NAMED])
    return f"row(s) {named}" + (f" and {more} more" if more > 0 else "")


def _print_verdict(verdict: Verdict) -> None:
    print_findings(verdict.findings)
    click.echo(", ".join(f"{count} {name}" for name, count in verdict.counts.items()))
    click.echo(f"Verdict: {verdict.verdict.upper()}")
