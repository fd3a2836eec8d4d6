"""The command ``augengine train cyclegan``: from two folders to a pair that augments."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from augengine.cli.main import main as augengine
from augengine.errors import CheckpointError
from augengine.pictures.encode import encode_image
from augengine.weights.cards import find_weights
from augengine_train.cyclegan.__main__ import main
from augengine_train.cyclegan.checkpoint import TrainingCard, load_generator
from augengine_train.cyclegan.pairs import load_pair
from tests.support.drawn_tissue import density, in_reference_colours, in_stain_colours

pytestmark = pytest.mark.e2e

SMALL = ["--width", "4", "--blocks", "1", "--crop", "32", "--precision", "float32"]
RECIPE = """base = "zhu2017"
discriminator_width = 8
"""


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two drawn fields of each stain in ``pas/`` and ``cd68/``, 96 px; grainy, for norms blow up a blank's rounding."""
    folder = tmp_path_factory.mktemp("fields")
    (folder / "tiny.toml").write_text(RECIPE)
    random = np.random.default_rng(0)
    for name, draw in (("pas", in_reference_colours), ("cd68", in_stain_colours)):
        (folder / name).mkdir()
        for index in range(2):
            image = draw(density(1000 + index, 96)) + random.normal(0, 0.2, (3, 96, 96))
            pixels = np.rint((image.transpose(1, 2, 0) + 1) * 127.5).clip(0, 255).astype(np.uint8)
            (folder / name / f"field_{index}.png").write_bytes(encode_image(pixels, "png"))
    return folder


def options(fields: Path, out: Path, *more: str) -> list[str]:
    data = ["--reference-data", str(fields / "pas"), "--data", str(fields / "cd68"), "--mpp", "0.5"]
    return [
        "--stain",
        "cd68",
        "--out",
        str(out),
        *data,
        *SMALL,
        "--recipe",
        str(fields / "tiny.toml"),
        "--holdout",
        "0.4",
        *more,
    ]


def call(arguments: list[str]) -> Result:
    return CliRunner().invoke(main, arguments)


def spawn(*arguments: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1"}
    command = [sys.executable, "-m", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(arguments: list[str]) -> None:
    run = spawn("augengine_train.cyclegan.__main__", *arguments)
    _, said = run.communicate(timeout=120)
    assert run.returncode == 0, said.decode()


def test_a_finished_training_augments(fields: Path, tmp_path: Path) -> None:
    done = call(options(fields, tmp_path / "run", "--steps", "6", "--validate-every", "3"))
    assert done.exit_code == 0, done.output
    assert "augengine build-engines --stain cd68" in done.output
    assert re.search(r"^verdict: (unstable|cannot be judged) .*; on \d tiles?", done.output, re.MULTILINE)
    assert "\nnext: check the um/px" in done.output or "\nnext: look at tiles" in done.output
    weights = tmp_path / "run" / "weights"
    assert find_weights("pas", "cd68", [weights]).mpp == 0.5
    assert len(list((tmp_path / "run" / "grids").glob("*.png"))) == 2
    named = ["--stain", "cd68", "--weights", str(weights)]
    built = CliRunner().invoke(augengine, ["build-engines", *named, "--size", "96", "--json"])
    assert built.exit_code == 0, built.output
    source = ["--in", str(fields / "cd68"), "--mpp", "0.5", "--eps", "0.05", "--out", str(tmp_path / "shards")]
    made = CliRunner().invoke(augengine, ["augment", "--force", *named, *source])
    assert made.exit_code == 0, made.output
    assert list((tmp_path / "shards").glob("cd68-*.tar"))


def test_a_stain_of_ones_own_goes_the_same_way(fields: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file says its reference; the next command that is printed finds the pair."""
    monkeypatch.setenv("AUGENGINE_HOME", str(tmp_path))
    (tmp_path / "stains").mkdir()
    for place, name in ((tmp_path / "stains", "mine"), (tmp_path, "elsewhere")):
        (place / f"{name}.toml").write_text(f'name = "{name}"\nreference = "he"\nchromogen = [0.3, 0.6, 0.8]\n')
    (tmp_path / "stains" / "he.toml").write_text('name = "he"\nchromogen = [0.1, 1.0, 0.1]\n')
    for stain in ("mine", str(tmp_path / "elsewhere.toml")):
        run = tmp_path / f"run-{Path(stain).stem}"
        done = call(options(fields, run, "--steps", "2", "--holdout", "0", "--stain", stain))
        assert done.exit_code == 0, done.output
        assert find_weights("he", Path(stain).stem, [run / "weights"])
        following = done.output.rpartition("next: augengine ")[2].split()
        built = CliRunner().invoke(augengine, [*following, "--size", "32", "--json"])
        assert built.exit_code == 0, built.output


def test_a_killed_training_goes_on_as_if_it_had_never_stopped(fields: Path, tmp_path: Path) -> None:
    steps = ["--steps", "40", "--checkpoint-every", "5", "--validate-every", "1000"]
    # All in processes of their own, with one thread each: sums over two threads round otherwise.
    finish(options(fields, tmp_path / "whole", *steps))
    killed = spawn("augengine_train.cyclegan.__main__", *options(fields, tmp_path / "parts", *steps))
    while not list((tmp_path / "parts" / "checkpoints").glob("step-*")):
        assert killed.poll() is None, killed.communicate()[1].decode()
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    finish(options(fields, tmp_path / "parts", *steps, "--resume"))
    texts = [(tmp_path / name / "losses.csv").read_text() for name in ("whole", "parts")]
    assert texts[0] == texts[1]


def test_two_processes_with_one_image_each_are_one_with_two(fields: Path, tmp_path: Path) -> None:
    """True until the pools swap, since each process has its own."""
    steps = ["--steps", "4", "--checkpoint-every", "2", "--holdout", "0"]
    together = spawn("torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "augengine_train.cyclegan",
                     *options(fields, tmp_path / "two", *steps))  # fmt: skip
    _, said = together.communicate(timeout=120)
    assert together.returncode == 0, said.decode()
    alone = call(options(fields, tmp_path / "one", *steps, "--batch", "2"))
    assert alone.exit_code == 0, alone.output
    rows = [np.genfromtxt(tmp_path / name / "losses.csv", delimiter=",", skip_header=1) for name in ("two", "one")]
    assert rows[0].shape == (2, 10)
    assert rows[0] == pytest.approx(rows[1], rel=1e-3)
    (card,) = (tmp_path / "two" / "checkpoints").glob("step-*/card.json")
    assert json.loads(card.read_bytes())["run"]["processes"] == 2


@pytest.fixture(scope="module")
def finished(fields: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run with nothing held out, and what it said."""
    out = tmp_path_factory.mktemp("finished")
    done = call(options(fields, out, "--steps", "2", "--holdout", "0"))
    assert done.exit_code == 0, done.output
    return out, done.output


def test_without_anything_held_out_it_says_so_and_exports_the_last(finished: tuple[Path, str]) -> None:
    out, said = finished
    assert "nothing is held out" in said
    assert not (out / "validation.jsonl").exists()
    assert "Not validated" in find_weights("pas", "cd68", [out / "weights"]).cards["to-reference"].training


def test_export_alone_needs_no_pictures(finished: tuple[Path, str], tmp_path: Path) -> None:
    shutil.copytree(finished[0] / "checkpoints", tmp_path / "checkpoints")
    again = call(["--stain", "cd68", "--out", str(tmp_path), "--export-only"])
    assert again.exit_code == 0, again.output
    assert find_weights("pas", "cd68", [tmp_path / "weights"])


def test_a_checkpoint_is_measured_as_what_it_is(fields: Path, finished: tuple[Path, str]) -> None:
    (checkpoint,) = (finished[0] / "checkpoints").glob("step-*")
    pair = load_pair("pas", "cd68", checkpoint)
    assert pair.mpp == 0.5
    recipe = TrainingCard.read(checkpoint).run.recipe.generator
    own = load_generator(checkpoint, "to-reference", recipe)
    tile = torch.zeros(1, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(pair.to_reference(tile), own(tile))
    with pytest.raises(CheckpointError, match="checkpoint of pas-cd68, not of pas-cd34"):
        load_pair("pas", "cd34", checkpoint)


def test_a_run_is_not_trained_over(fields: Path, finished: tuple[Path, str]) -> None:
    again = call(options(fields, finished[0], "--steps", "2", "--holdout", "0"))
    assert again.exit_code == 2
    assert "holds a training already" in again.output
    assert "--resume" in again.output


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (["--crop", "128"], "smaller than the crop"),
        (["--crop", "33"], "divide by 4"),
        (["--recipe", "resnet"], "unknown recipe"),
        (["--stain", "cd99"], "unknown stain"),
        (["--precision", "float16"], "GPU"),
        (["--init-from", "nowhere"], "cannot read"),
        (["--reference", "cd68"], "differ"),
        (["--reference", "p-as"], "name has lower-case letters"),
        (["--stain", "pas"], "is a reference stain"),
        (["--kid-features", "none.pt"], "cannot be read as a feature network"),
        (["--seed", "-1"], "seed"),
        (["--holdout", "0.2"], "wider strip"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_a_reason(
    fields: Path, tmp_path: Path, change: list[str], says: str
) -> None:
    done = call(options(fields, tmp_path / "run", "--steps", "2", *change))
    assert done.exit_code == 2, done.output
    assert says in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_patient_in_two_splits_is_refused_by_name(fields: Path, tmp_path: Path) -> None:
    table = tmp_path / "patients.csv"
    table.write_text("file,patient,split\nfield_0*,anna,train\nfield_1*,anna,validation\n")
    done = call([*options(fields, tmp_path / "run", "--steps", "2"), "--patients", str(table)])
    assert done.exit_code == 2, done.output
    assert "anna is in two splits" in done.output
    table.write_text("file,patient,split\nfield_0*,anna,train\nfield_1*,berta,validation\n")
    done = call([*options(fields, tmp_path / "run", "--steps", "2"), "--patients", str(table)])
    assert done.exit_code == 0, done.output


def test_pictures_of_unknown_scale_are_refused(fields: Path, tmp_path: Path) -> None:
    data = ["--reference-data", str(fields / "pas"), "--data", str(fields / "cd68")]
    done = call(["--stain", "cd68", "--out", str(tmp_path), *data, *SMALL])
    assert done.exit_code == 2
    assert "--mpp" in done.output


def test_pictures_are_needed(tmp_path: Path) -> None:
    done = call(["--stain", "cd68", "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert "--reference-data" in done.output


def test_every_option_says_what_it_is_for() -> None:
    assert all(getattr(option, "help", None) for option in main.params)
