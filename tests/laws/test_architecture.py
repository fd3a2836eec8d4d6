"""The tree is what docs/notes/architecture.md says, and each heavy package stays in its owner."""

from __future__ import annotations

import ast
import inspect
import pickle
import re
from pathlib import Path

import pytest

from augengine import errors
from augengine.errors import AugengineError
from tests.support import floor_table
from tests.support.floor_table import imports_of
from tests.support.places import ROOT

PACKAGE = ROOT / "augengine"
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_FILE = 330
MAX_AT_THE_ROOT = 36
MAX_OWN_IMPORTS = 14
TRAINING = ROOT / "train/augengine_train"

# Package -> the files that may import it, relative to augengine/.
OWNERS: dict[str, set[str]] = {
    "PIL": {
        *(
            f"pictures/{name}.py"
            for name in ("files", "headers", "jpeg", "masks", "metadata", "overlays", "pages", "reading")
        ),
        "pictures/resample.py",
        "tiling/overview.py",
        *("torch/images.py", "torch/stain_noise.py"),
    },
    "braceexpand": {"sources/tars.py"},
    "click": {
        f"cli/{name}.py"
        for name in (
            *("augment", "dataset", "doctor", "importing", "lazy", "main", "options", "probing", "refusal", "stains"),
            *("stored", "tile", "train"),
        )
    },
    "cloup": {"cli/augment.py", "cli/tile.py"},
    "cupy": {"engines/gpu_memory.py"},
    "cv2": {"pictures/encode.py", "pictures/pixels.py"},
    "fsspec": {"shards/walk.py", "sources/tars.py", "storage/url.py"},
    "jinja2": {"probing/page.py"},
    "matplotlib": {"probing/plots.py"},
    "msgspec": {"json_values.py"},
    "nvidia.dali": {"chain/_cuda.py", "chain/dali.py"},
    "nvidia.nvimgcodec": {"pictures/images.py"},
    "onnx": {
        *(f"engines/onnx_{name}.py" for name in ("float16", "int8", "tensors", "typed", "types")),
        *(f"importing/{name}.py" for name in ("cost", "export", "external_data", "foreign_onnx", "onnx_graph")),
    },
    "onnxruntime": {"importing/export.py"},
    "openvino": {"engines/_openvino.py"},
    "openslide": {"slides/_openslide.py"},
    "pyvips": {"annotations/mask_image.py", "pictures/libvips.py", "slides/_vips.py"},
    "ray": {"fleet/cluster.py"},
    "rich": {"cli/console.py", "cli/lines.py", "cli/results.py"},
    "roifile": {"annotations/imagej.py"},
    "safetensors": {"generator/load.py"},
    "shapely": {
        "annotations/geometry.py",
        "annotations/outlines.py",
        "annotations/crossings.py",
        "annotations/usable.py",
        "tiling/places.py",
    },
    "skimage": {
        "pictures/colour.py",
        "pictures/markers.py",
        "pictures/shuffle.py",
        "measures/objects.py",
        "measures/structure.py",
        "measures/wiping.py",
        "pictures/overlays.py",
    },
    "tensorrt": {"engines/trt_packages.py"},
    "tensorrt_rtx": {"engines/trt_packages.py"},
    "torch": {
        "engines/_torch.py",
        "engines/_torch_cuda.py",
        "engines/fused/network.py",
        "importing/export.py",
        *(f"loader/{name}.py" for name in ("dataset", "position", "ranks")),
        *(f"torch/{name}.py" for name in ("images", "stain_noise")),
        *(
            f"generator/{name}.py"
            for name in ("claims", "entries", "layers", "layout", "load", "network", "readings", "reparametrised")
        ),
    },
    "triton": {"engines/fused/kernels.py", "engines/fused/network.py"},
    "webdataset": set(),
}
ERRORS = [value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, AugengineError)]


def _name(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def test_the_floor_table_is_what_the_linter_holds() -> None:
    page = floor_table.PAGE.read_text()
    assert floor_table.page(page) == page, "type python -m tests.support.floor_table"


def test_every_source_file_stands_on_a_floor() -> None:
    tops = {_name(file).partition("/")[0].removesuffix(".py") for file in FILES}
    assert tops - {"__init__"} == {name for names in floor_table.floors() for name in names}


def test_every_file_that_the_architecture_names_exists() -> None:
    text = (ROOT / "docs/notes/architecture.md").read_text()
    named = set(re.findall(r"[\w/]+\.py\b", text))
    assert len(named) > 20
    assert not {name for name in named if not (PACKAGE / name).is_file()}


def test_every_room_of_the_tests_is_a_room_of_the_tree() -> None:
    others = {"augengine_train", "benchmarks", "docs", "laws", "support", "__pycache__"}
    rooms = {folder.name for folder in (ROOT / "tests").iterdir() if folder.is_dir()}
    assert rooms - others <= {folder.name for folder in PACKAGE.iterdir() if folder.is_dir()}
    trainings = {folder.name for folder in (ROOT / "tests/augengine_train").iterdir() if folder.is_dir()}
    assert trainings - others <= {
        folder.name for folder in (ROOT / "train/augengine_train").iterdir() if folder.is_dir()
    }


def test_the_root_of_the_package_is_small() -> None:
    assert len([entry for entry in PACKAGE.iterdir() if entry.name != "__pycache__"]) <= MAX_AT_THE_ROOT


def test_a_file_fits_in_the_head() -> None:
    lengths = {_name(file): len(file.read_text().splitlines()) for file in FILES}
    assert not {name: lines for name, lines in lengths.items() if lines > MAX_FILE}


def test_limits_are_called_max_and_min() -> None:
    other = re.compile(
        r"^ *_?(?:MOST|LEAST|LARGEST|LONGEST|SMALLEST|SHORTEST|FEWEST)(?:_[A-Z_]+)?\b[^(]* = ", re.MULTILINE
    )
    files = [file for name in ("augengine", "train", "benchmarks") for file in (ROOT / name).rglob("*.py")]
    assert not {file.name: found for file in files if (found := other.findall(file.read_text()))}


def test_no_docstring_begins_with_a_fragment() -> None:
    fragment = re.compile(r"^(?:Of|As|See|In a word)\b")
    trees = {file: ast.parse(file.read_text()) for folder in (PACKAGE, TRAINING) for file in folder.rglob("*.py")}
    texts = ((file.name, _docstring(node)) for file, tree in trees.items() for node in ast.walk(tree))
    assert not [(name, text) for name, text in texts if text and fragment.match(text)]


def _docstring(node: ast.AST) -> str | None:
    """What documents a module, a class, a function or, written below it, a value."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return ast.get_docstring(node)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return node.value.value
    return None


def _own_modules(file: Path, package: str) -> set[str]:
    """The modules of its own package that a file imports, each once."""
    nodes = ast.walk(ast.parse(file.read_text()))
    modules = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {module for module in modules if module.partition(".")[0] == package}


@pytest.mark.parametrize("package", [PACKAGE, TRAINING], ids=lambda folder: folder.name)
def test_no_module_knows_half_the_house(package: Path) -> None:
    counts = {file: len(_own_modules(file, package.name)) for file in package.rglob("*.py")}
    assert len(counts) > 50
    assert not {file.name: count for file, count in counts.items() if count > MAX_OWN_IMPORTS}


def _importers(package: str) -> set[str]:
    return {
        _name(file)
        for file in FILES
        if any(name == package or name.startswith(f"{package}.") for name in imports_of(file))
    }


@pytest.mark.parametrize("package", sorted(OWNERS))
def test_a_heavy_package_is_imported_by_its_owners_alone(package: str) -> None:
    assert _importers(package) <= OWNERS[package]


@pytest.mark.parametrize(
    ("package", "owner"),
    [
        ("kornia", "train/augengine_train/unet/augmentations.py"),
        ("matplotlib", "train/augengine_train/experiments/plots.py"),
    ],
)
def test_training_imports_what_only_it_needs_in_one_file(package: str, owner: str) -> None:
    files = [file for file in (ROOT / "train").rglob("*.py") if package in {n.split(".")[0] for n in imports_of(file)}]
    assert [file.relative_to(ROOT).as_posix() for file in files] == [owner]


def test_owners_own_something() -> None:
    # TensorRT's two packages are imported by name, whichever is installed.
    stated = {package: files for package, files in OWNERS.items() if not package.startswith("tensorrt")}
    assert {package: _importers(package) for package in stated} == stated


def test_nothing_imports_train_or_tests() -> None:
    assert not [
        _name(file) for file in FILES for name in imports_of(file) if name.split(".")[0] in ("augengine_train", "tests")
    ]


def _drawn() -> dict[str, str]:
    """Error -> its parent, as the tree in the docstring draws them."""
    lines = re.findall(r"^    ([│├└─ ]*)(\w+)", inspect.getdoc(errors) or "", re.MULTILINE)
    path: list[str] = []
    parents: dict[str, str] = {}
    for branch, name in lines:
        depth = len(branch) // 4
        path = [*path[:depth], name]
        parents[name] = path[depth - 1] if depth else "Exception"
    return parents


def test_the_docstring_of_errors_draws_the_whole_tree() -> None:
    assert _drawn() == {error.__name__: error.__mro__[1].__name__ for error in ERRORS}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_crosses_processes_with_its_hint(error: type[AugengineError]) -> None:
    copy = pickle.loads(pickle.dumps(error("eps must be positive", hint="try 0.05")))  # noqa: S301 - our own bytes
    assert type(copy) is error
    assert (str(copy), copy.message, copy.hint) == ("eps must be positive", "eps must be positive", "try 0.05")
