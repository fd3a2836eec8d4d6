"""One training step: both generators against frozen discriminators, then both discriminators on pooled translations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from augengine.errors import SpecError
from augengine_train.cyclegan.hiding import HideAndSeek
from augengine_train.cyclegan.losses import Lambdas, Losses, discriminator_loss, generator_losses, weigh
from augengine_train.cyclegan.networks import (
    Cycles,
    DiscriminatorPair,
    GeneratorPair,
    Maps,
    add_spectral_norm,
    init_normal,
)
from augengine_train.cyclegan.pool import ImagePool
from augengine_train.cyclegan.recipe import TrainingRecipe

PrecisionOption = Literal["auto", "float32", "bfloat16", "float16"]
Batch = Mapping[str, Tensor]
"""``reference`` and ``stain``: float32 (N, 3, H, W) in [-1, 1]; to hide markers also ``markers``: float32 (N, 1, H, W).

``markers`` is 1 where ``stain`` shows a marker, 0 elsewhere.
"""


@dataclass(frozen=True, slots=True)
class MixedPrecision:
    """The type of the convolutions of a training; weights, losses and optimisers stay float32."""

    dtype: torch.dtype

    @classmethod
    def choose(cls, option: PrecisionOption, device: torch.device) -> MixedPrecision:
        """What ``option`` means on a device; ``auto`` is bfloat16 where the hardware multiplies it, else float32.

        Raises:
            SpecError: An unknown option, or float16 on a CPU.
        """
        if option not in get_args(PrecisionOption):
            raise SpecError(f"unknown precision {option!r}", hint=", ".join(get_args(PrecisionOption)))
        if option == "float16" and device.type != "cuda":
            raise SpecError(f"float16 training needs a GPU, this is a {device.type}", hint="--precision bfloat16")
        if option == "auto":
            option = "bfloat16" if _multiplies_bfloat16(device) else "float32"
        return cls(dtype=getattr(torch, option))

    @property
    def name(self) -> str:
        """Name of the data type, for example ``bfloat16``."""
        return str(self.dtype).removeprefix("torch.")


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


class CycleGan:
    """Four networks, two optimisers and two pools, and the step that trains them.

    Attributes:
        generators: Both generators, without what distributes them.
        discriminators: Both discriminators, likewise.
        device: Where they are.
    """

    def __init__(
        self, recipe: TrainingRecipe, *, seed: int, accelerator: Accelerator, precision: MixedPrecision
    ) -> None:
        self.device: torch.device = accelerator.device
        self.generators, self.discriminators = _draw_networks(recipe, seed)
        betas = (recipe.beta1, recipe.beta2)
        # Before the optimisers: an optimiser holds the parameters where they end up.
        self._format = choose_memory_format(self.device)
        for networks in (self.generators, self.discriminators):
            networks.to(memory_format=self._format)  # type: ignore[call-overload]
        self._generators = accelerator.prepare_model(self.generators)
        self._discriminators = accelerator.prepare_model(self.discriminators)
        self._generator_adam = torch.optim.Adam(self.generators.parameters(), recipe.lr, betas, fused=True)
        self._discriminator_adam = torch.optim.Adam(self.discriminators.parameters(), recipe.lr, betas, fused=True)
        self._game = None
        if recipe.hiding is not None:
            self._game = HideAndSeek(recipe.hiding, seed=seed, lr=recipe.lr, betas=betas, accelerator=accelerator)
        rank = accelerator.process_index
        self._pools = {name: ImagePool(recipe.pool, seed, f"{name}/{rank}") for name in ("reference", "stain")}
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=precision.dtype == torch.float16)
        self._dtype = precision.dtype

    def step(self, batch: Batch, *, lr: float, lambdas: Lambdas) -> Losses:
        """Train once; the losses come back unweighted, detached and still on the device."""
        reference, stain = (self._place(batch[name]) for name in ("reference", "stain"))
        markers = self._place(_markers(batch)) if self._game is not None else None
        self._set_rate(lr)
        cycles, losses = self._step_generators(reference, stain, markers, lambdas)
        losses |= self._step_discriminators(reference, stain, cycles)
        if self._game is not None and markers is not None:
            losses |= self._step_seeker(self._game, cycles.fake_reference, markers)
        self._scaler.update()
        return {name: loss.detach() for name, loss in losses.items()}

    def _set_rate(self, lr: float) -> None:
        for adam in (self._generator_adam, self._discriminator_adam):
            for group in adam.param_groups:
                group["lr"] = lr
        if self._game is not None:
            self._game.set_rate(lr)

    def _step_generators(
        self, reference: Tensor, stain: Tensor, markers: Tensor | None, lambdas: Lambdas
    ) -> tuple[Cycles, Losses]:
        self.discriminators.requires_grad_(requires_grad=False)
        with self._autocast():
            cycles: Cycles = self._generators(reference, stain, identity=lambdas.identity > 0)
            # Frozen, so nothing to reduce: called without what distributes it.
            judged = self.discriminators(cycles.fake_reference, cycles.fake_stain)
        cycles = cycles.float()
        maps_reference, maps_stain = (_in_float32(maps) for maps in judged)
        weights = None if self._game is None or markers is None else self._game.weights(markers)
        losses = generator_losses(cycles, reference, stain, maps_reference, maps_stain, weights)
        if self._game is not None and markers is not None:
            with self._autocast():
                losses["hide"] = self._game.hide(cycles.fake_reference, markers)
        self._descend(weigh(losses, lambdas), self._generator_adam)
        return cycles, losses

    def _step_discriminators(self, reference: Tensor, stain: Tensor, cycles: Cycles) -> Losses:
        self.discriminators.requires_grad_(requires_grad=True)
        shown_reference = self._place(torch.cat([reference, self._pools["reference"].swap(cycles.fake_reference)]))
        shown_stain = self._place(torch.cat([stain, self._pools["stain"].swap(cycles.fake_stain)]))
        with self._autocast():
            judged = self._discriminators(shown_reference, shown_stain)
        losses = {
            f"tell_{name}": discriminator_loss(*_halves(_in_float32(maps)))
            for name, maps in zip(("reference", "stain"), judged, strict=True)
        }
        self._descend(losses["tell_reference"] + losses["tell_stain"], self._discriminator_adam)
        return losses

    def _step_seeker(self, game: HideAndSeek, fake_reference: Tensor, markers: Tensor) -> Losses:
        with self._autocast():
            loss = game.seek(fake_reference, markers)
        self._descend(loss, game.adam)
        return {"seek": loss}

    def _descend(self, loss: Tensor, adam: torch.optim.Optimizer) -> None:
        adam.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(adam)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self._dtype, enabled=self._dtype != torch.float32)

    def _place(self, images: Tensor) -> Tensor:
        return images.to(self.device, non_blocking=True).contiguous(memory_format=self._format)

    def is_finite(self) -> bool:
        """Whether every weight is a number."""
        nets: tuple[nn.Module, ...] = (self.generators, self.discriminators)
        return all(bool(torch.isfinite(p).all()) for net in nets for p in net.parameters())

    def pool_state(self) -> dict[str, Any]:
        """This process's pools."""
        return {name: pool.state_dict() for name, pool in self._pools.items()}

    def load_pool_state(self, state: Mapping[str, Any]) -> None:
        """The inverse of `pool_state`."""
        for name, pool in self._pools.items():
            pool.load_state_dict(state[name], self.device)

    def state_dict(self) -> dict[str, Any]:
        """All that every process shares besides the generators' weights: tensors, numbers and texts."""
        game = {} if self._game is None else {"hide_and_seek": self._game.state_dict()}
        return {
            "discriminators": self.discriminators.state_dict(),
            "generator_adam": self._generator_adam.state_dict(),
            "discriminator_adam": self._discriminator_adam.state_dict(),
            "scaler": self._scaler.state_dict(),
            **game,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.discriminators.load_state_dict(state["discriminators"])
        self._generator_adam.load_state_dict(state["generator_adam"])
        self._discriminator_adam.load_state_dict(state["discriminator_adam"])
        self._scaler.load_state_dict(state["scaler"])
        if self._game is not None:
            self._game.load_state_dict(state["hide_and_seek"])


def _markers(batch: Batch) -> Tensor:
    if "markers" not in batch:
        raise SpecError("markers are to be hidden, and the crops do not say where they are", hint="mark the crops")
    return batch["markers"]


def _in_float32(maps: Maps) -> Maps:
    return tuple(map_.float() for map_ in maps)


def _halves(maps: Maps) -> tuple[Maps, Maps]:
    """The maps of the first half of a batch, and of the second."""
    first, second = zip(*(map_.chunk(2) for map_ in maps), strict=True)
    return first, second


def choose_memory_format(device: torch.device) -> torch.memory_format:
    """Channels last on a GPU, whose convolutions want it; as they are on a CPU.

    On a CPU it is slower (20 %), and wrong: with a batch of 1, torch 2.13 reads the gradient of an instance norm that
    stands right before a convolution in the wrong order. A generator's gradients are then off by 60 to 90 %.
    """
    return torch.channels_last if device.type == "cuda" else torch.contiguous_format


def _draw_networks(recipe: TrainingRecipe, seed: int) -> tuple[GeneratorPair, DiscriminatorPair]:
    generators = GeneratorPair(recipe.generator)
    discriminators = DiscriminatorPair(
        recipe.discriminator_width, recipe.discriminator_norm, recipe.discriminator_scales
    )
    random = torch.Generator().manual_seed(seed)
    for networks in (generators, discriminators):
        init_normal(networks, recipe.init_sigma, random)
    if recipe.discriminator_norm == "spectral":
        add_spectral_norm(discriminators, seed)
    return generators, discriminators
