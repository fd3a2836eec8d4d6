"""The doctor names what is missing, says what to do, and changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from augengine.cli.main import main
from augengine.doctor import Examination, Finding, examine, hardware, made, packages
from augengine.engines._openvino import OpenVinoBackend
from tests.support.small_generator import write_small_pair


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *arguments])


def by_name(found: Examination) -> dict[str, Finding]:
    return {finding.what: finding for finding in found.findings}


def test_this_machine_is_well_and_each_thing_is_named_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AUGENGINE_HOME", str(tmp_path / "home"))
    done = call()
    assert done.exit_code == 0, done.output
    found = examine()
    assert len(by_name(found)) == len(found.findings)
    for finding in found.findings:
        assert f"{finding.what} " in done.output
        assert finding.advice in done.output
    assert by_name(found)["OpenVINO"].value == version("openvino")
    assert "pas-cd34, pas-cd68, pas-cd68 (sample set)" in done.output
    assert not (tmp_path / "home").exists()


def test_json_holds_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AUGENGINE_HOME", str(tmp_path))
    said = json.loads(call("--json").stdout)
    assert said["well"] is True
    assert [each["what"] for each in said["findings"]] == [finding.what for finding in examine().findings]


def test_a_missing_package_is_a_problem_with_a_command_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_WRITING", {"Ray": "no-such-package-as-this"})
    done = call()
    assert done.exit_code == 1
    assert "! Ray" in done.output
    assert "-> pip install 'augengine[write]'" in done.output


def test_without_the_packages_that_write_the_rest_is_still_said(tmp_path: Path) -> None:
    """As after a plain `pip install augengine`: an import of OpenVINO's neighbours fails."""
    blocked = "import sys; sys.modules['onnx'] = None; from augengine.doctor import examine; print(examine())"
    done = subprocess.run([sys.executable, "-c", blocked], capture_output=True, text=True, check=True)
    assert "what='augengine'" in done.stdout


def test_a_processor_that_is_held_back_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    (found,) = [finding for finding in hardware.look_at_hardware() if finding.what == "processor"]
    assert found.level == "note"
    assert "max-avx2" in found.value
    assert found.advice.startswith("unset ONEDNN_MAX_CPU_ISA")


@pytest.mark.parametrize(
    ("reason", "advice"),
    [("no instructions for it", "float32 is used; "), ("", "int8 where the noise bears it, else ")],
)
def test_a_processor_without_a_16_bit_type_is_told_what_is_used(
    monkeypatch: pytest.MonkeyPatch, reason: str, advice: str
) -> None:
    monkeypatch.setattr(OpenVinoBackend, "precisions", lambda _: ("float32",))
    monkeypatch.setattr(OpenVinoBackend, "why_no_int8", lambda _: reason)
    found = by_name(examine())["processor"]
    assert found.level == "note"
    assert found.advice.startswith(advice)
    assert ("int8" in found.value) is not bool(reason)


def test_too_little_room_is_noted_and_a_folder_that_is_not_there_yet_is_looked_for_above(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AUGENGINE_HOME", str(tmp_path / "not" / "yet"))
    monkeypatch.setattr(made, "MIN_FREE", 1e18)
    found = by_name(examine())
    assert found["room for engines"].level == "note"
    assert found["room for engines"].value.endswith(str(tmp_path))
    assert found["room for engines"].advice == "name a larger disk in AUGENGINE_HOME"


def test_a_home_that_is_a_file_is_a_problem_before_a_command_fails_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv("AUGENGINE_HOME", str(home))
        found = by_name(examine())["home"]
        assert (found.level, found.value) == ("problem", f"{tmp_path / 'file'} is no folder")


def test_a_pair_that_is_damaged_is_a_problem_and_the_rest_is_still_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pair = write_small_pair(tmp_path / "weights", stain="cd3")
    (pair / "to-reference.onnx").unlink()
    monkeypatch.setenv("AUGENGINE_HOME", str(tmp_path))
    found = by_name(examine())
    assert found["generators"].level == "problem"
    assert "half a pair" in found["generators"].advice
    assert "pas-cd68" in found["generators"].value
    assert "engines" in found


def test_a_home_of_another_version_is_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "format").write_text("99\n")
    monkeypatch.setenv("AUGENGINE_HOME", str(tmp_path))
    done = call()
    assert done.exit_code == 1
    assert "! home" in done.output
    assert "has the format '99'" in done.output
