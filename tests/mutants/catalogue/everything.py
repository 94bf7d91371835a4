"""Every mutant, and the rows of the field notes that have none, with the reason."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tests.mutants.catalogue import belief, boots, capacity, cycles, intent, truth, worker

MUTANTS: Final = (
    *truth.MUTANTS,
    *intent.MUTANTS,
    *cycles.MUTANTS,
    *belief.MUTANTS,
    *capacity.MUTANTS,
    *boots.MUTANTS,
    *worker.MUTANTS,
)

WITHOUT_MUTANT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Temporal": "no history of 51,200 events to overflow: fan-out lives in rows; see `cycle-unbounded`",
        "Step Functions": "no history of 25,000 events either; its redrive is `old-answers-carried-over`",
        "Dagster": "partitions are the data plane's surface, not the control plane's",
        "LLM judges, vLLM offline, transformers": "scoring and engines, not the control plane",
        "LocalStack": "a licence, not a behaviour",
    }
)
