"""The cpu engine on the corpus: accept or reject with each source held out, quality order, milliseconds.

Every image is judged by coefficients that were fitted without any file of its source. `review` is wrong.

    python -m benchmarks.cpu_engine [--corpus ../shared/data/corpus] [--fit]

With `--fit` the coefficients of the package are written anew, from all sources.
"""

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.content_fit import AS_IS, OTHERS, PHOTO, RIDGE, Sample, fit_document, read_corpus, to_bytes
from gpu_worker.engines.content_model import model_from_json
from gpu_worker.engines.cpu import CpuEngine, cpu_engine
from gpu_worker.engines.engine import EngineOptions, ScorableImage
from gpu_worker.engines.image_statistics import Pixels
from gpu_worker.prompts.pack import PromptPack, shipped_pack
from parjanya_dagster.core.policy.decide import CompiledPolicy, compile_policy
from parjanya_dagster.core.policy.facts import facts_of
from parjanya_dagster.core.truth.answers import Answers
from parjanya_dagster.imaging.native import measure
from parjanya_dagster.policies.shipped import shipped_policy

MODEL: Final = Path(__file__).parents[1] / "gpu_worker" / "engines" / "content_model.json"
Judged = list[tuple[Sample, Answers]]


def main() -> None:
    """Print all tables; write coefficients if asked."""
    parser = argparse.ArgumentParser(description="Measure the cpu engine on the corpus.")
    parser.add_argument("--corpus", type=Path, default=Path("../shared/data/corpus"))
    parser.add_argument("--fit", action="store_true", help="write the coefficients of the package anew")
    options = parser.parse_args()
    pack, policy = shipped_pack(), compile_policy(shipped_policy())
    samples = read_corpus(options.corpus)
    if options.fit:
        MODEL.write_bytes(to_bytes(fit_document(samples)))
        print(f"wrote {MODEL.name}: {len(samples)} samples of {len({s.source for s in samples})} sources")
    judged = judge_held_out(samples, pack)
    print_sources(judged)
    print_balance(judged, policy)
    print_classes(judged)
    print_calibration(judged)
    print_comparisons(samples, pack)
    print_quality_order([s for s in samples if s.content_class == PHOTO and s.variant == AS_IS], pack)
    print_speed([s.image for s in samples if s.variant == AS_IS], pack)


def judge_held_out(
    samples: Sequence[Sample], pack: PromptPack, *, ridge: float = RIDGE, without: Sequence[str] = ()
) -> Judged:
    """Return all samples with the answers of an engine that was fitted without their source."""
    judged: Judged = []
    for source in sorted({sample.source for sample in samples}):
        kept = [sample for sample in samples if sample.source != source]
        held_out = [sample for sample in samples if sample.source == source]
        document = fit_document(kept, ridge=ridge, without=without)
        engine = CpuEngine(model_from_json(to_bytes(document)))
        judged += zip(held_out, engine.answer([s.image for s in held_out], pack), strict=True)
    return judged


def p_photo(answers: Answers) -> float:
    """Return the probability that the rules read."""
    return answers["photograph"].probabilities["yes"]


def balanced(judged: Judged, *, reject_below: float = 0.5, accept_from: float = 0.5) -> float:
    """Return the mean of the shares of photos accepted and of others rejected."""
    photos = [p_photo(a) >= accept_from for s, a in judged if s.content_class == PHOTO]
    others = [p_photo(a) < reject_below for s, a in judged if s.content_class != PHOTO]
    return float(np.mean(photos) + np.mean(others)) / 2


def of_variant(judged: Judged, variant: str) -> Judged:
    """Return the part of one variant."""
    return [(sample, answers) for sample, answers in judged if sample.variant == variant]


def print_sources(judged: Judged) -> None:
    """Print the fold table: each source was held out once."""
    print(f"\n{'source held out':58} {'photos':>7} {'wrong':>6} {'others':>7} {'wrong':>6}")
    clean: Counter[str] = Counter()
    for source in sorted({sample.source for sample, _ in judged}):
        fold = [(s, a) for s, a in of_variant(judged, AS_IS) if s.source == source]
        photos = [p_photo(a) < 0.5 for s, a in fold if s.content_class == PHOTO]  # noqa: PLR2004 - one half
        others = [p_photo(a) >= 0.5 for s, a in fold if s.content_class != PHOTO]  # noqa: PLR2004 - one half
        if len(fold) < 4 and not (any(photos) or any(others)):  # noqa: PLR2004 - small and clean: summed up
            clean.update(sources=1, photos=len(photos), others=len(others))
            continue
        print(f"{source:58} {len(photos):7} {sum(photos):6} {len(others):7} {sum(others):6}")
    rest = f"{clean['sources']} sources of 1 to 3 images, none wrong"
    print(f"{rest:58} {clean['photos']:7} {0:6} {clean['others']:7} {0:6}")


def print_balance(judged: Judged, policy: CompiledPolicy) -> None:
    """Print balanced accuracy per variant, then what the house policy makes of each class."""
    print(f"\n{'balanced accuracy, review is wrong':36} {'at 0.5':>8} {'0.45-0.55':>10} {'0.3-0.7':>8}")
    for variant in dict.fromkeys(sample.variant for sample, _ in judged):
        part = of_variant(judged, variant)
        bands = [balanced(part), balanced(part, reject_below=0.45, accept_from=0.55)]
        bands.append(balanced(part, reject_below=0.3, accept_from=0.7))
        print(f"{variant:36} {bands[0]:8.3f} {bands[1]:10.3f} {bands[2]:8.3f}")
    print(f"\n{'house policy, all rules, as it is':36} {'accept':>8} {'review':>8} {'reject':>8}")
    verdicts = {(name, verdict): 0 for name in (PHOTO, *OTHERS) for verdict in ("accept", "review", "reject")}
    reasons: Counter[str] = Counter()
    for sample, answers in of_variant(judged, AS_IS):
        facts = facts_of(
            tenant="t", priority="normal", answers=answers.to_document(), technical=sample.technical, exif={}
        )
        decision = policy.decide_one(facts)
        verdicts[sample.content_class, decision.verdict.value] += 1
        if sample.content_class == PHOTO and decision.verdict.value != "accept":
            reasons.update(decision.reason_codes)
    for name in (PHOTO, *OTHERS):
        print(f"{name:36}", *(f"{verdicts[name, v]:8}" for v in ("accept", "review", "reject")))
    photos = sum(n for (name, _), n in verdicts.items() if name == PHOTO)
    others = sum(verdicts.values()) - photos
    rejected = sum(verdicts[name, "reject"] for name in OTHERS)
    print(f"balanced accuracy {(verdicts[PHOTO, 'accept'] / photos + rejected / others) / 2:.3f}", end="; ")
    print("photos refused for:", ", ".join(f"{code} {n}" for code, n in reasons.most_common()))


def print_classes(judged: Judged) -> None:
    """Print the eight-way label, the second question, and whether photos pass the text guard."""
    part = of_variant(judged, AS_IS)
    right = Counter(s.content_class for s, a in part if a["content_class"].top == s.content_class)
    count = Counter(s.content_class for s, _ in part)
    print("\neight classes, share right:", ", ".join(f"{n} {right[n]}/{count[n]}" for n in (PHOTO, *OTHERS)))
    for name in (PHOTO, "illustration", "screenshot", "slide"):
        text = [a["text_heavy"].probabilities["yes"] for s, a in part if s.content_class == name]
        guarded = np.mean(np.array(text) >= 0.8)  # noqa: PLR2004 - the house policy's guard
        print(f"text_heavy {name}: median {np.median(text):.2f}, at least 0.8: {guarded:.2f}")


def print_calibration(judged: Judged) -> None:
    """Print how often images with a given probability are photos."""
    part = of_variant(judged, AS_IS)
    p = np.array([p_photo(a) for _, a in part])
    is_photo = np.array([s.content_class == PHOTO for s, _ in part])
    print(f"\nBrier score {np.mean((p - is_photo) ** 2):.4f}\np(photo)      images  photos")
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.001)):
        inside = (p >= low) & (p < high)
        print(f"{low:.1f} to {min(high, 1):.1f} {inside.sum():9} {is_photo[inside].sum():7}")


def print_comparisons(samples: Sequence[Sample], pack: PromptPack) -> None:
    """Print what the result does not depend on."""
    with_exif = [replace(s, statistics={**s.statistics, "has_camera": float(s.has_camera)}) for s in samples]
    exif = balanced_without_engine(with_exif)
    print(f"\nwith camera EXIF as a statistic (the engine has none): {exif:.3f}")
    print(f"with the same code, without EXIF: {balanced_without_engine(samples):.3f}")
    for ridge in (1.0, 10.0):
        print(f"ridge {ridge}: {balanced(of_variant(judge_held_out(samples, pack, ridge=ridge), AS_IS)):.3f}")
    plain = of_variant(judge_held_out(samples, pack, without=("aspect",)), AS_IS)
    print(f"without aspect: {balanced(plain):.3f}")
    only = [s for s in samples if s.variant == AS_IS]
    print(f"fitted on the files as they are, no variants: {balanced(judge_held_out(only, pack)):.3f}")


def balanced_without_engine(samples: Sequence[Sample]) -> float:
    """Return balanced accuracy at 0.5 straight from the model, which may read statistics we don't measure."""
    right: dict[bool, list[bool]] = {True: [], False: []}
    for source in sorted({sample.source for sample in samples}):
        kept = [sample for sample in samples if sample.source != source]
        model = model_from_json(to_bytes(fit_document(kept)))
        for s in samples:
            if s.source == source and s.variant == AS_IS:
                p = model.probabilities(s.statistics)["photograph"]["yes"]
                is_photo = s.content_class == PHOTO
                right[is_photo].append((p >= 0.5) == is_photo)  # noqa: PLR2004 - one half
    return float(np.mean(right[True]) + np.mean(right[False])) / 2


def print_quality_order(photos: Sequence[Sample], pack: PromptPack) -> None:
    """Print how often a photo scores above a spoilt copy of itself, overall and on the score concerned."""
    engine, noise = cpu_engine(EngineOptions()), np.random.default_rng(7)
    print(f"\n{'photo above its spoilt copy':36} {'overall':>8} {'own score':>10}")
    for name, score in (
        ("blurred, 2 px", "sharpness"),
        ("three stops under", "exposure"),
        ("two stops over", "exposure"),
        ("noise of 15 levels", "noise"),
    ):
        wins = []
        for sample in photos:
            spoilt = _spoilt(sample.image.pixels, name, noise)
            before, after = engine.answer([_scorable(Image.fromarray(sample.image.pixels)), spoilt], pack)
            wins.append([before.scores()[q] > after.scores()[q] for q in ("overall_quality", score)])
        print(f"{name:36} {np.mean(wins, axis=0)[0]:8.3f} {np.mean(wins, axis=0)[1]:10.3f}")


def print_speed(images: Sequence[ScorableImage], pack: PromptPack) -> None:
    """Print the time of own CPU per image."""
    engine, taken = cpu_engine(EngineOptions()), []
    for image in images:
        start = time.thread_time()
        engine.answer([image], pack)
        taken.append(time.thread_time() - start)
    p50, p95 = np.percentile(taken, (50, 95)) * 1000
    print(f"\nmilliseconds per image at the model's grid: p50 {p50:.1f}, p95 {p95:.1f}")


def _spoilt(pixels: Pixels, how: str, noise: np.random.Generator) -> ScorableImage:
    light = (pixels / 255.0) ** 2.2
    match how:
        case "blurred, 2 px":
            return _scorable(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(2)))
        case "three stops under":
            light = light / 8
        case "two stops over":
            light = light * 4
        case _:
            noisy = pixels + noise.normal(0, 15, pixels.shape)
            return _scorable(Image.fromarray(noisy.clip(0, 255).astype(np.uint8)))
    return _scorable(Image.fromarray((light.clip(0, 1) ** (1 / 2.2) * 255).astype(np.uint8)))


def _scorable(picture: Image.Image) -> ScorableImage:
    return ScorableImage(pixels=np.asarray(picture), native=asdict(measure(picture)))


if __name__ == "__main__":
    main()
