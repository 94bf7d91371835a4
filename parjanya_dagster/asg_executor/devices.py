"""Which GPU each warm child of an instance sees: decided once, before any of them loads a library.

A process that has seen every GPU keeps memory on each, and two models on the first one are the usual
accident. So each child is started with `CUDA_VISIBLE_DEVICES` naming its own, which every CUDA program obeys.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

VISIBLE: Final = "CUDA_VISIBLE_DEVICES"
AUTO: Final = "auto"

_DEVICE_NODES: Final = "nvidia[0-9]*"


def count_gpus(devices: Path = Path("/dev")) -> int:
    """Return how many GPUs the driver offers this machine (or container)."""
    return sum(1 for _ in devices.glob(_DEVICE_NODES))


def devices_of_children(wish: str, environment: Mapping[str, str], *, gpus: int) -> tuple[str, ...]:
    """Return the value of `CUDA_VISIBLE_DEVICES` of each child there is to be, at least one.

    Args:
        wish: `--children`: a number ≥ 1, or "auto" for one child per visible GPU.
        environment: the agent's own; devices it hides stay hidden, by index, UUID or MIG name.
        gpus: what the driver offers.

    More children than GPUs share them in turn, since somebody asked for that by number. Without a GPU each
    child still has a number of its own.
    """
    named = environment.get(VISIBLE)
    visible = [str(number) for number in range(gpus)] if named is None else _named_devices(named)
    count = max(1, len(visible)) if wish == AUTO else int(wish)
    if not visible and named is not None:
        return ("",) * count  # hidden on purpose
    offered = visible or [str(number) for number in range(count)]
    return tuple(offered[number % len(offered)] for number in range(count))


def _named_devices(named: str) -> list[str]:
    """Return the devices before the first invalid one, as CUDA reads the list."""
    devices: list[str] = []
    for device in (each.strip() for each in named.split(",")):
        if not device or device == "-1":
            break
        devices.append(device)
    return devices
