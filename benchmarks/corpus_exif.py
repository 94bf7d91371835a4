"""Compare our EXIF and sizes with exiftool's over the corpus, field by field, and explain what differs.

python -m benchmarks.corpus_exif
"""

from collections import Counter

from parjanya_dagster.imaging.header import describe
from tests.corpus.reference import MISSING, Comparison, Reference, compare, reason_of, references


def main() -> None:
    """Print the table per field, then every difference with its reason."""
    pairs = [
        (comparison, reference)
        for reference in references()
        for comparison in compare(reference, *describe(reference.path.read_bytes()))
    ]
    if not pairs:
        print(MISSING)
        return
    print_table([comparison for comparison, _ in pairs])
    print_differences([pair for pair in pairs if not pair[0].agrees])


def print_table(comparisons: list[Comparison]) -> None:
    """Print per field how often both readers see it and how often they agree then."""
    both = Counter(one.field for one in comparisons if one.is_seen_by_both)
    agreed = Counter(one.field for one in comparisons if one.is_seen_by_both and one.agrees)
    ours = Counter(one.field for one in comparisons if one.ours is not None and one.theirs is None)
    theirs = Counter(one.field for one in comparisons if one.ours is None and one.theirs is not None)
    print(f"{'field':<20}{'both see':>9}{'agree':>8}{'share':>9}{'only we':>9}{'only they':>11}")
    for field in dict.fromkeys(one.field for one in comparisons):
        share = agreed[field] / both[field] if both[field] else 1.0
        row = f"{both[field]:>9}{agreed[field]:>8}{share:>9.2%}{ours[field]:>9}{theirs[field]:>11}"
        print(f"{field:<20}{row}")


def print_differences(pairs: list[tuple[Comparison, Reference]]) -> None:
    """Print each difference, grouped by file."""
    print(f"\n{len(pairs)} differences:")
    for comparison, reference in pairs:
        said = f"ours {comparison.ours!r}, exiftool {comparison.theirs!r}"
        print(f"  {comparison.path} {comparison.field}: {said}  [{reason_of(comparison, reference)}]")


if __name__ == "__main__":
    main()
