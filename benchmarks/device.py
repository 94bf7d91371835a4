"""The device that a benchmark computes on: its clock, its memory, and the most it could do."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmarks.roofline import Peak, peak_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A CUDA device, or one thread of this CPU.

    Args:
        dtype: what a model computes in here.
        name: of the GPU; None on the CPU.
    """

    torch_device: torch.device
    dtype: torch.dtype
    name: str | None

    @classmethod
    def of(cls, name: str) -> "Device":
        """Return the device that PyTorch calls by this name; on the CPU, leave PyTorch one thread."""
        device = torch.device(name)
        if device.type == "cuda":
            return cls(torch_device=device, dtype=torch.bfloat16, name=torch.cuda.get_device_name(device))
        torch.set_num_threads(1)  # a thread's own CPU time is what is measured
        return cls(torch_device=device, dtype=torch.float32, name=None)

    @property
    def description(self) -> str | None:
        """What readers must know of the GPU; None on the CPU."""
        if self.name is None:
            return None
        memory_gib = torch.cuda.get_device_properties(self.torch_device).total_memory / 2**30
        return f"{self.name}, {memory_gib:.0f} GiB, CUDA {torch.version.cuda}"

    def seconds(self, work: Callable[[], object]) -> float:
        """Return what one call takes: wall clock to the end of the GPU's work, or this thread's CPU time."""
        if self.name is None:
            began_s = time.thread_time()
            work()
            return time.thread_time() - began_s
        torch.cuda.synchronize(self.torch_device)
        began_s = time.perf_counter()
        work()
        torch.cuda.synchronize(self.torch_device)
        return time.perf_counter() - began_s

    def least_s(self, work: Callable[[], object], *, rounds: int) -> float:
        """Return the least seconds of one call, after one that is not timed."""
        work()
        return min(self.seconds(work) for _ in range(rounds))

    def forget_peak_memory(self) -> None:
        """Give unused memory back, and measure the most that is used from here on."""
        if self.name is not None:
            gc.collect()  # what ran out of memory may hold some of it in a cycle
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.torch_device)

    def peak_memory_gib(self) -> float | None:
        """Return the most memory used since `forget_peak_memory`; None where nobody counts."""
        return torch.cuda.max_memory_allocated(self.torch_device) / 2**30 if self.name else None

    def measured_peak(self) -> Peak:
        """Return what a large matrix product and a matrix times a vector reach here, now."""
        side = 8192 if self.name else 2048
        gemm_s = self._product_s(side, columns=side)
        gemv_s = self._product_s(side, columns=1)  # reads each value once, as generation does with weights
        return Peak(flops=2 * side**3 / gemm_s, bytes_per_s=side * side * self.dtype.itemsize / gemv_s)

    def published_peak(self) -> Peak | None:
        """Return the data sheet's numbers, where the table has this device."""
        return peak_of(self.name) if self.name else None

    def _product_s(self, side: int, *, columns: int) -> float:
        """Return the least seconds of one product of [side, side] and [side, columns]."""
        one, other = (
            torch.randn(side, width, device=self.torch_device).to(self.dtype) for width in (side, columns)
        )
        repeats = 20 if self.name else 1  # of a GPU, a single one would measure how long it takes to begin

        def products() -> None:
            for _ in range(repeats):
                one @ other

        return self.least_s(products, rounds=5) / repeats
