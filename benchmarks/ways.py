"""What `benchmarks.packed` measures on which device, and the least that each way could take there."""

from dataclasses import dataclass
from typing import Final

from benchmarks.approaches import Bench
from benchmarks.ladder import Way
from benchmarks.roofline import Peak, Prompt, generate_s, geometry_of, packed_flops, separate_flops


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is measured on a device.

    Args:
        model: its size, see `TEXT`.
        sides: of the images' square grids, in visual tokens; V is the square.
        questions: N.
        suffix: tokens of each question.
        packed, separate, batched: images at once, for packed scoring, for prompts, and for generation.
        slots: images in the batches of which it is asked whether they disturb each other.
        new_tokens: that are generated.
        rounds: how often each is timed; generation, which is steady, once.
    """

    model: str
    sides: tuple[int, ...]
    questions: int
    suffix: int
    packed: tuple[int, ...]
    separate: tuple[int, ...]
    batched: tuple[int, ...]
    slots: int
    new_tokens: int = 200
    rounds: int = 3


ON_CPU: Final = Setting(
    model="small",
    sides=(24,),
    questions=8,
    suffix=30,
    packed=(1, 4),
    separate=(1,),
    batched=(8,),
    slots=4,
    rounds=2,
)
ON_GPU: Final = Setting(
    model="8b",
    sides=(24, 32, 16),  # the usual size first: it is not what time may run out for
    questions=12,
    suffix=25,
    packed=(1, 4, 8, 16, 32, 64),
    separate=(1, 8),
    batched=(8, 32, 128),
    slots=8,
)
TINY: Final = Setting(
    model="tiny",
    sides=(4, 6),
    questions=3,
    suffix=6,
    packed=(1, 2),
    separate=(1,),
    batched=(2,),
    slots=3,
    new_tokens=4,
    rounds=1,
)


def ways_of(bench: Bench, setting: Setting, peak: Peak) -> tuple[Way, ...]:
    """Return all ways to score, packed first."""
    geometry, questions = geometry_of(bench.model.config), bench.questions

    def asked(visual: int) -> Prompt:
        return Prompt(
            visual=visual,
            shared=len(questions.tokens.shared),
            questions=setting.questions,
            suffix=setting.suffix,
            kept=len(questions.tokens.preamble),
        )

    def packed_s(visual: int, _batch: int) -> float:
        return packed_flops(geometry, asked(visual)) / peak.flops

    def separate_s(visual: int, _batch: int) -> float:
        flops = separate_flops(geometry, asked(visual), vision_passes=setting.questions)
        return flops / peak.flops

    def vision_once_s(visual: int, _batch: int) -> float:
        return separate_flops(geometry, asked(visual), vision_passes=1) / peak.flops

    def generated_s(visual: int, batch: int) -> float:
        prompt = Prompt(visual=visual, shared=questions.request_tokens, questions=0, suffix=0)
        value_bytes = bench.model.dtype.itemsize
        return generate_s(
            geometry, prompt, peak, new_tokens=setting.new_tokens, batch=batch, bytes_per_value=value_bytes
        )

    def generating(name: str, batches: tuple[int, ...]) -> Way:
        return Way(
            name=name,
            run=lambda images: bench.generate(images, new_tokens=setting.new_tokens),
            warm_up=lambda images: bench.generate(images, new_tokens=2),
            limit_s=generated_s,
            batches=batches,
            rounds=1,
        )

    rounds, prompts = setting.rounds, setting.separate
    return (
        Way(name="packed", run=bench.packed, limit_s=packed_s, batches=setting.packed, rounds=rounds),
        Way(
            name="a prompt a question",
            run=bench.separate,
            limit_s=separate_s,
            batches=prompts,
            rounds=rounds,
        ),
        Way(name="vision once", run=bench.vision_once, limit_s=vision_once_s, batches=prompts, rounds=rounds),
        generating("generate, one by one", (1,)),
        generating("generate, batched", setting.batched),
    )
