"""Weights that a checkpoint keeps in parts: spectral norm, weight norm and pruning, by hooks or parametrisations.

In eval mode each of them computes its weight from the tensors that are stored, so that it is folded exactly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from augengine.errors import CheckpointError

Parts = Mapping[str, Tensor]

_NEW = re.compile(r"^(?P<module>.*?)\.?parametrizations\.(?P<name>[^.]+)\.(?P<part>.+)$")
_OLD = re.compile(r"^(?P<name>.+)_(?P<part>orig|u|v|g|mask)$")
_HINT = (
    "save it without the reparametrisation: torch.nn.utils.parametrize.remove_parametrizations(module, 'weight') for "
    "each module; or export it as ONNX"
)


def fold(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict whose weights are whole, each where its first part stood; parts of an unknown kind stay as they are.

    Args:
        state: Tensors by their dotted names.
    """
    groups: dict[str, dict[str, str]] = {}
    for name in state:
        whole, part = _part(name, state) or (name, "")
        groups.setdefault(whole, {})[part] = name
    folded: dict[str, Tensor] = {}
    for whole, names in groups.items():
        weight = _whole({part: state[name] for part, name in names.items()})
        folded |= {name: state[name] for name in names.values()} if weight is None else {whole: weight}
    return folded


def check_folded(state: Mapping[str, Tensor], source: str) -> None:
    """Refuse a network with a weight in parts that `fold` could not put together.

    Raises:
        CheckpointError: A reparametrisation that is not known, or whose tensors do not fit together.
    """
    whole = next((found[0] for name in state if (found := _part(name, state))), None)
    if whole is None:
        return
    shapes = {name: tuple(state[name].shape) for name in state if (_part(name, state) or ("",))[0] == whole}
    parts = ", ".join(f"{name.rpartition('.')[2]} {shape}" for name, shape in shapes.items())
    raise CheckpointError(
        f"{source} keeps {whole} in parts, a reparametrisation that is not read: {parts}; read are spectral norm, "
        "weight norm and pruning",
        hint=_HINT,
    )


def _part(name: str, state: Parts) -> tuple[str, str] | None:
    """The weight that a tensor is a part of, and which part; None if it is whole itself."""
    if new := _NEW.match(name):
        return ".".join(filter(None, (new["module"], new["name"]))), new["part"]
    module, _, last = name.rpartition(".")
    old = _OLD.match(last)
    stem = f"{module}." if module else ""
    if old and any(f"{stem}{old['name']}_{part}" in state for part in ("orig", "g")):
        return f"{stem}{old['name']}", old["part"]
    return None


def _whole(parts: Parts) -> Tensor | None:
    """The weight that the parts make; None if nobody knows how."""
    if parts.keys() == {""}:
        return parts[""]
    for names, make in _KINDS.items():
        if parts.keys() == set(names):
            try:
                return make(*(parts[each].float() for each in names))
            except (RuntimeError, ValueError, IndexError):
                return None
    return None


def _spectral(weight: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """``weight / sigma``, sigma being ``u W v`` with W the matrix whose rows are the output channels."""
    rows = next((axis for axis in range(min(2, weight.ndim)) if weight.shape[axis] == len(u)), None)
    if rows is None:
        raise ValueError("no axis has the length of u")
    matrix = weight.movedim(rows, 0).reshape(len(u), -1)
    return weight / torch.dot(u, matrix @ v)


def _scaled(length: Tensor, direction: Tensor) -> Tensor:
    """Weight norm: ``g v / |v|``, one length per slice along the axis in which g is longer than 1."""
    axes = [axis for axis in range(direction.ndim) if length.ndim == 0 or length.shape[axis] == 1]
    sizes: Tensor = torch.linalg.vector_norm(direction, dim=axes, keepdim=True)
    return direction * (length / sizes)


def _masked(weight: Tensor, mask: Tensor) -> Tensor:
    return weight * mask.expand_as(weight)


_KINDS: dict[tuple[str, ...], Callable[..., Tensor]] = {
    ("orig", "u", "v"): _spectral,
    ("original", "0._u", "0._v"): _spectral,
    ("g", "v"): _scaled,
    ("original0", "original1"): _scaled,
    ("orig", "mask"): _masked,
}
