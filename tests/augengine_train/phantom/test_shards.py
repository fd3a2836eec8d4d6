"""Phantom shards: augengine's readers and the training take them, and a folder holds one series alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from augengine.errors import PlanMismatch, TargetError
from augengine.jobs import Job
from augengine.pictures.masks import read_mask
from augengine.sample import Sample
from augengine.sources import open_source
from augengine.tiling.patients import PatientRow
from augengine_train.data import Patients, open_domain
from augengine_train.phantom import MARKER_EXT, Correlation, Drawn, Series, draw_field, write_series
from augengine_train.phantom.__main__ import main
from tests.support.datasets import digests, members
from tests.support.pictures import decode

SIDE = 40


def series(**changes: Any) -> Series:
    return Series(**{"stain": "cd68", "count": 5, "side": SIDE, "patients": 2, "seed": 3, **changes})


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "shards"
    assert write_series(series(), folder, per_shard=2) == Drawn(drawn=5, kept=0)
    return folder


def samples(folder: Path) -> list[Sample]:
    source = open_source(str(folder), stain="cd68")
    listing = source.scan()
    assert not list(listing.bad)
    jobs = [
        Job(index=i, source=unit.source, first=0, count=len(unit.entries), size=0, digest="", output="out", excluded={})
        for i, unit in enumerate(listing.units)
    ]
    found = [outcome for job in jobs for outcome in source.read(job)]
    assert all(isinstance(outcome, Sample) for outcome in found)
    return [outcome for outcome in found if isinstance(outcome, Sample)]


def test_augengine_lists_and_reads_what_was_drawn(drawn: Path) -> None:
    listing = open_source(str(drawn), stain="cd68").scan()
    assert [len(unit.entries) for unit in listing.units] == [2, 2, 1]
    assert {(entry.height, entry.width) for entry in listing.entries()} == {(SIDE, SIDE)}
    for number, sample in enumerate(samples(drawn)):
        field = draw_field(series().spec(number))
        assert sample.key == series().key(number)
        assert np.array_equal(decode(sample.image), field.image)
        assert sample.mask is not None
        assert np.array_equal(read_mask(sample.mask, max_side=SIDE), field.glomeruli)
        assert np.array_equal(read_mask(sample.extras[MARKER_EXT], max_side=SIDE), field.markers)
        assert sample.mpp == 0.5


def test_a_field_says_what_it_was_drawn_from(drawn: Path) -> None:
    for number, sample in enumerate(samples(drawn)):
        spec = series().spec(number)
        said = sample.meta
        assert (said["stain"], said["patient"]) == ("cd68", f"p{number % 2:02d}")
        assert (said["anatomy_seed"], said["marker_seed"]) == (spec.anatomy_seed, spec.marker_seed)
        assert 0 <= said["sclerotic"] <= said["glomeruli"]
        assert said["correlation"] == {"glomeruli": 1.0, "sclerotic": 1.0}
        assert float(said["anatomy_seed"]) == said["anatomy_seed"]


def test_the_training_opens_them_at_the_um_px_it_wants(drawn: Path) -> None:
    assert open_domain(str(drawn), name="cd68").mpp == 0.5
    domain = open_domain(str(drawn), name="cd68", target_mpp=1.0)
    assert domain.sizes == ((SIDE // 2, SIDE // 2),) * 5


def test_patients_are_split_by_their_keys(drawn: Path) -> None:
    split = Patients(
        rows=(
            PatientRow(file="p00_*", patient="p00", split="train"),
            PatientRow(file="p01_*", patient="p01", split="validation"),
        )
    )
    domain = open_domain(str(drawn), name="cd68", patients=split)
    assert (len(domain.images), len(domain.held_out)) == (3, 2)


def test_the_same_series_is_the_same_bytes_and_is_drawn_once(drawn: Path, tmp_path: Path) -> None:
    write_series(series(), tmp_path / "again", per_shard=2)
    assert digests(tmp_path / "again") == digests(drawn)
    assert write_series(series(), drawn, per_shard=2) == Drawn(drawn=0, kept=5)


def test_what_was_broken_off_ends_as_if_it_had_not(drawn: Path, tmp_path: Path) -> None:
    def stop(fields: int) -> None:
        done.append(fields)
        if len(done) == 4:
            raise KeyboardInterrupt

    done: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        write_series(series(), tmp_path, per_shard=2, tick=stop)
    assert len(list(tmp_path.glob("*.tar"))) == 1
    assert write_series(series(), tmp_path, per_shard=2) == Drawn(drawn=3, kept=2)
    assert digests(tmp_path) == digests(drawn)
    assert not (tmp_path / ".augengine" / "spool").exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 4}, "seed 3 there, 4 wanted"),
        ({"stain": "cd34"}, "stain cd68 there, cd34 wanted"),
        ({"correlations": (Correlation(glomeruli=4.0),)}, "correlations .* 4.0"),
    ],
)
def test_a_folder_of_another_series_is_refused_by_the_difference(
    drawn: Path, change: dict[str, Any], named: str
) -> None:
    before = digests(drawn)
    with pytest.raises(PlanMismatch, match=named):
        write_series(series(**change), drawn, per_shard=2)
    assert digests(drawn) == before


def test_a_folder_of_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(TargetError, match=r"not empty \(thesis\.txt"):
        write_series(series(), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_command_draws_and_says_so(tmp_path: Path) -> None:
    call = [f"--out={tmp_path / 'shards'}", "--stain=pas", "--count=3", "--side=24", "--correlation=4", "--patients=3"]
    first, again = (CliRunner().invoke(main, call) for _ in range(2))
    assert (first.exit_code, again.exit_code) == (0, 0), first.output + again.output
    assert "3 fields drawn, 0 were there" in first.output
    assert "0 fields drawn, 3 were there" in again.output
    found = members(tmp_path / "shards")
    assert len(found) == 12
    said = json.loads(found["p02_00000.json"])
    assert said["correlation"] == {"glomeruli": 4.0, "sclerotic": 4.0}


@pytest.mark.parametrize(
    ("option", "rule"),
    [
        ("--side=4", "side is 16 to 4096 px, got 4"),
        ("--count=0", "1 to 1000000 fields, got 0"),
        ("--patients=9", "2 fields cannot be of 9 patients"),
        ("--mpp=40", "um/px are 0.1 to 4.0, got 40.0"),
        ("--correlation=-2", "a factor in [0, 1000], got -2.0"),
        ("--first-patient=-1", "patients are numbered from 0, got -1"),
    ],
)
def test_the_command_refuses_in_a_sentence_and_writes_nothing(tmp_path: Path, option: str, rule: str) -> None:
    out = tmp_path / "shards"
    done = CliRunner().invoke(main, [f"--out={out}", "--stain=cd68", "--count=2", option])
    assert done.exit_code == 2
    assert rule in done.output
    assert not out.exists()
