"""The command that says what a machine has."""

from __future__ import annotations

import sys

import click

from augengine.cli.lines import print_json, print_line
from augengine.cli.options import as_json_option
from augengine.doctor import Finding, examine
from augengine.errors import EXIT_FAILURES

_MARKS = {"fine": " ", "note": "~", "problem": "!"}
_WIDTH = 18


@click.command("doctor")
@as_json_option
def doctor_command(as_json: bool) -> None:
    """Say what this machine has, and what to do about what it lacks.

    The exit status is 1 if something is missing that makes a command fail.
    """
    found = examine()
    if as_json:
        print_json(found.to_json())
    else:
        print_line("\n".join(line for finding in found.findings for line in _lines(finding)))
    sys.exit(0 if found.is_well else EXIT_FAILURES)


def _lines(finding: Finding) -> list[str]:
    said = f"{_MARKS[finding.level]} {finding.what:{_WIDTH}}{finding.value}"
    return [said, *([f"  {'':{_WIDTH}}-> {finding.advice}"] if finding.advice else [])]
