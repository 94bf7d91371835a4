"""Symptoms of Truth: tenants without a marker, and images that an audit could not account for."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from parjanya_dagster.core.reconcile.evidence import Evidence, Patience, Residue, value_of
from parjanya_dagster.core.reconcile.findings import Finding, Kind
from parjanya_dagster.core.reconcile.wording import counted, facts, lasting, samples_of


def marker_missing(evidence: Evidence, patience: Patience, now: datetime) -> Finding | None:
    """A tenant left traces and no marker: whatever goes by the registry passes it over (incident 5)."""
    del patience, now
    registry = value_of(evidence.registry)
    if registry is None:
        return None
    missing = {tenant: where for tenant, where in _traces(evidence).items() if tenant not in registry}
    if not missing:
        return None
    names = ", ".join(sorted(missing))
    return Finding(
        kind=Kind.MARKER_MISSING,
        summary=f"{counted(len(missing), 'tenant')} with a bucket or images and no registry marker: {names}",
        evidence=facts(
            *(f"{tenant}: {where}" for tenant, where in sorted(missing.items())),
            samples_of(registry, of="registered:") or "registered: nobody",
        ),
        since=None,
        fix="; ".join(f"`parjanya tenant add {tenant}`" for tenant in sorted(missing))
        + " writes the marker again and changes nothing else; so does the tenant's next upload",
    )


def residue(evidence: Evidence, patience: Patience, now: datetime) -> Finding | None:
    """The last audit left images unaccounted for."""
    del patience
    residues = value_of(evidence.residues)
    if not residues:
        return None
    total = sum(each.count for each in residues)
    return Finding(
        kind=Kind.RESIDUE,
        summary=f"the last audit could not account for {counted(total, 'image')}",
        evidence=facts(
            *(
                f"{each.tenant_id}: {each.count}, audited {lasting(now - each.at)} ago; "
                + samples_of(each.samples)
                for each in residues
            )
        ),
        since=min(each.at for each in residues),
        fix="; ".join((*_mending(residues), "then `parjanya audit --tenant TENANT` compares again")),
    )


def _mending(residues: Sequence[Residue]) -> Iterator[str]:
    if any(each.count > each.unfinished for each in residues):
        yield (
            "materialize `uploads` of the tenant, which gives every object its row; a row whose object is "
            "gone needs a person: `parjanya why IMAGE`"
        )
    for each in residues:
        if each.unfinished:
            yield (
                f"`parjanya images erase --tenant {each.tenant_id} --yes` ends what erasures left; with "
                "the id in front of `--tenant` for an original that came after"
            )


def _traces(evidence: Evidence) -> dict[str, str]:
    """Return each tenant that left something anywhere, and where; rows say more than counters."""
    traces = dict(value_of(evidence.traces) or {})
    for letter in value_of(evidence.dead_letters) or ():
        if letter.image and letter.is_open:
            traces[letter.image.partition("#")[0]] = f"dead letter {letter.image}"
    rows = value_of(evidence.rows)
    for row in (*rows.gaps, *rows.outstanding) if rows else ():
        traces[row.key.tenant_id] = f"image {row.key} is {row.status}"
    return traces
