"""Plans of small datasets, and the listings they are made of."""

from __future__ import annotations

from augengine.json_values import to_json
from augengine.listing import Entry, Listing, Unit, make_listing
from augengine.runs import Plan, make_jobs
from augengine.spec import AugmentSpec, NoiseSpec

SPEC = AugmentSpec(stain="cd68", reference="pas", noise=NoiseSpec(eps=0.05))


def folder_listing(samples: int, side: int = 512, size: int = 100) -> Listing:
    """A folder of square images ``k0``, ``k1`` ..., of which ``k1`` is bad."""
    entries = (
        Entry(key=f"k{i}", files=((f"k{i}.png", size),), height=side, width=side, reason="bad" if i == 1 else "")
        for i in range(samples)
    )
    return make_listing([Unit(source="/in", entries=tuple(entries))], splits=True)


def tar_listing(*samples: int) -> Listing:
    """Tars of so many samples each."""
    units = (
        Unit(source=f"{t}.tar", entries=tuple(Entry(key=f"k{t}_{i}", files=(("a", 1),)) for i in range(count)))
        for t, count in enumerate(samples)
    )
    return make_listing(units)


def a_plan(listing: Listing | None = None, spec: AugmentSpec = SPEC, samples_per_shard: int = 4) -> Plan:
    """A plan for a folder of ten images, four per shard, unless said otherwise."""
    return Plan(
        spec=to_json(spec),
        source={"kind": "folder", "folder": "/in"},
        engines={"precision": "float32", "height": 512, "width": 512},
        encoder="opencv 5",
        jobs=make_jobs(listing or folder_listing(10), spec, samples_per_shard=samples_per_shard),
    )
