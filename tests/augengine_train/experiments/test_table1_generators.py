"""Which generators the experiment takes, and which it refuses before anything is drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from augengine.errors import SpecError, WeightsError
from augengine.weights.cards import find_weights
from augengine_train.experiments.table1.__main__ import main, run
from augengine_train.experiments.table1.drawing import draw_phantoms
from augengine_train.experiments.table1.generators import digest_generators
from tests.support.small_generator import write_small_pair
from tests.support.table1_toy import toy


def test_the_digests_are_of_each_stains_own_pair(tmp_path: Path) -> None:
    for seed, stain in enumerate(("cd68", "cd34")):
        write_small_pair(tmp_path, stain=stain, seed=seed)
    pairs = {stain: find_weights("pas", stain, [tmp_path]) for stain in toy().stains}
    assert digest_generators(toy(), tmp_path) == {stain: pair.digests for stain, pair in pairs.items()}
    assert pairs["cd68"].digests != pairs["cd34"].digests


def test_the_packages_own_pairs_are_not_taken(tmp_path: Path) -> None:
    write_small_pair(tmp_path / "runs" / "weights")
    with pytest.raises(WeightsError, match="no weights for pas-cd34") as caught:
        digest_generators(toy(), tmp_path / "runs" / "weights")
    assert f"--mpp 0.5 --out {tmp_path / 'runs'}" in caught.value.hint


def test_pairs_of_other_um_px_are_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    for stain in ("cd68", "cd34"):
        write_small_pair(tmp_path / "weights", stain=stain, mpp=1.0)
    with pytest.raises(SpecError, match=r"a cd68 pair trained at 1 um/px, the tissue has 0\.5"):
        run(toy(), tmp_path / "data", tmp_path / "out", tmp_path / "weights", 1, draw_phantoms)
    assert not (tmp_path / "data").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("plan", "where"), [([], "phantom"), (["--full"], "phantom-half-um")])
def test_each_plan_looks_for_generators_of_its_own(
    plan: list[str], where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, plan)
    assert done.exit_code == 2
    assert f"no weights for pas-cd68 in runs/{where}/weights" in done.output
    assert list(tmp_path.iterdir()) == []
