"""The commands about receipts: prove that what was sent stands in the log, and check that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from preservation.cli.commands import preserve
from preservation.cli.options import home_option, json_option, print_findings, print_json, settings_of
from preservation.errors import BadInput

if TYPE_CHECKING:
    from preservation.verify import Verdict

_FOLDER = click.Path(file_okay=False, exists=True, path_type=Path)


@preserve.group("receipt")
@home_option
def receipt_group() -> None:
    """Receipts that submitters hold, and the proof that they stand in the log."""


@receipt_group.command("prove")
@click.argument("submission_id", metavar="SUBMISSION")
@home_option
@json_option
@click.pass_context
def receipt_prove(context: click.Context, submission_id: str, *, as_json: bool) -> int:
    """Write proof.json beside the receipt of SUBMISSION, as far as it is sealed by now.

    Exit code 4: some items aren't sealed yet, and the proof names them; run it again later.
    """
    from preservation import pipeline

    path, pending = pipeline.prove_receipt(settings_of(context), submission_id)
    if as_json:
        print_json({"proof": str(path), "pending": pending})
    else:
        click.echo(str(path))
        for entry in pending:
            click.echo(f"not sealed yet: row {entry['row']}, item {entry['item_id']}")
    return 4 if pending else 0


@receipt_group.command("check")
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option(
    "--trust",
    type=_FOLDER,
    required=True,
    metavar="DIR",
    help="log.vkey, receipt.pub.pem and the authorities' roots, from elsewhere than the receipt.",
)
@json_option
def receipt_check(folder: Path, *, trust: Path, as_json: bool) -> int:
    """Check the receipt and the proof in DIR; needs no deployment.

    Exit code 0: proven; 1: broken; 4: something is pending or can't be checked here.
    """
    from preservation.verify.receipt import check_receipt

    if not (folder / "receipt.json").is_file():
        remedy = "Name the folder that came back: receipt.json and receipt.sig lie in it."
        raise BadInput(f"There is no receipt.json in {folder}.", remedy=remedy)
    verdict = check_receipt(folder, trust)
    if as_json:
        print_json(verdict.to_json())
    else:
        _print(verdict)
    return verdict.exit_code


def _print(verdict: Verdict) -> None:
    print_findings(verdict.findings)
    click.echo(", ".join(f"{count} {name}" for name, count in verdict.counts.items()))
    click.echo(f"Trusted time: {verdict.trusted_time}")
    click.echo(f"Verdict: {verdict.verdict.upper()}")
