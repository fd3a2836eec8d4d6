"""The analysis of stored cells, without a run: ``augengine train table1-reread docs/results/table1.json``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from augengine.json_values import from_json
from augengine.storage.atomic import write_whole
from augengine_train.experiments.table1.analysis import analyse
from augengine_train.experiments.table1.plan import Plan
from augengine_train.loop.commands import FILE, SETTINGS, PoliteCommand


@click.command("table1-reread", cls=PoliteCommand, context_settings=SETTINGS)
@click.argument("result", type=FILE)
@click.option(
    "--write", "writes", is_flag=True, help="Write the new analysis into the file, in place of the one there."
)
def main(result: Path, writes: bool) -> None:
    """Analyse the cells of a finished table1.json anew and print the lines of its verdict."""
    said = json.loads(result.read_text(encoding="utf-8"))
    analysis = analyse(from_json(Plan, said["plan"]), said["cells"])
    if writes:
        said["analysis"] = analysis.to_json()
        write_whole(result, json.dumps(said, indent=1) + "\n")
    click.echo("\n".join(analysis.lines()))


if __name__ == "__main__":
    main()
