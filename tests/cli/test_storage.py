"""The commands that look at a dataset do so by URL too, and say what is wrong with one; no credential is shown."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from augengine.cli.main import main
from augengine.errors import TargetError
from augengine.shards.layout import report_file, tar_file
from augengine.storage import UrlPath, delete, names, read_whole, write_if_absent
from tests.support.datasets import make
from tests.support.pictures import decode, write_folder
from tests.support.store_server import Store

pytestmark = pytest.mark.e2e

SECRETS = ("secret-of-tests", "id-of-tests")


def call(*words: object) -> Result:
    """The command."""
    return CliRunner().invoke(main, [*map(str, words)])


def said(result: Result, status: int) -> str:
    """What it printed, a traceback's place taken by none."""
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    return result.output


@pytest.fixture
def dataset(s3_folder: UrlPath, small_weights: Path, tmp_path: Path) -> UrlPath:
    """Two shards of pictures that lie on a store, too."""
    pictures = write_folder(tmp_path / "in", ["a", "b"])
    for file in pictures.iterdir():
        write_if_absent(s3_folder / "in" / file.name, file.read_bytes())
    make(s3_folder / "in", s3_folder / "out", small_weights, samples_per_shard=1, include_source=True)
    return s3_folder / "out"


def test_a_dataset_on_a_store_is_looked_at_by_url(dataset: UrlPath, tmp_path: Path) -> None:
    assert "complete" in said(call("status", dataset), 0)
    assert json.loads(said(call("verify", dataset, "--json"), 0))["problems"] == []
    assert "the same bytes" in said(call("replay", dataset, "b-v0001"), 0)
    said(call("sheet", dataset, "--out", tmp_path / "sheet.png", "--rows", 1), 0)
    assert decode((tmp_path / "sheet.png").read_bytes()).ndim == 3
    assert "no sample 'c-v0001'" in said(call("replay", dataset, "c-v0001"), 2)
    delete(tar_file(dataset, "cd68-000001"))
    assert "the tar is missing" in said(call("verify", dataset), 1)
    delete(report_file(dataset, "cd68-000000"))
    assert "0 done" in said(call("status", dataset), 0)


@pytest.mark.parametrize("command", [["status"], ["verify"], ["sheet"], ["replay", "a-v0001"]])
def test_what_is_no_dataset_is_refused_with_a_hint(command: list[str], s3_folder: UrlPath) -> None:
    output = said(call(command[0], s3_folder, *command[1:]), 2)
    assert s3_folder.url in output
    assert "hint:" in output


@pytest.mark.parametrize("command", [["status"], ["verify"], ["sheet"], ["replay", "a-v0001"]])
def test_credentials_in_an_url_are_refused_by_every_command_without_saying_them(command: list[str]) -> None:
    output = said(call(command[0], "s3://key:hush@bucket/out", *command[1:]), 2)
    assert "credential" in output
    assert "hush" not in output


def test_no_credential_is_written_logged_or_said(
    dataset: UrlPath, s3_server: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = names(dataset / ".augengine")
    assert {"plan.json", "run.json", "summary.json", "summary.md", "cd68-000000.json"} <= set(written)
    for file in [*(dataset / ".augengine" / name for name in written), *(dataset / name for name in names(dataset))]:
        assert not [secret for secret in SECRETS if secret.encode() in (read_whole(file) or b"")], file
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    caplog.set_level(logging.INFO)
    s3_server.fault = lambda *_: "500"
    failing = [call("status", dataset), call("verify", dataset), call("--debug", "replay", dataset, "a-v0001")]
    texts = [result.output for result in failing] + [caplog.text]
    assert all(result.exit_code for result in failing)
    assert not [text for text in texts for secret in SECRETS if secret in text]


def test_a_denied_store_is_said_without_the_key(
    s3_server: Store, s3_folder: UrlPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3_server.fault = lambda *_: "403"
    with pytest.raises(TargetError) as caught:
        read_whole(s3_folder / "a")
    assert not [secret for secret in SECRETS if secret in f"{caught.value.message} {caught.value.hint}"]
    assert "credentials in the environment" in caught.value.hint
