"""Fixtures of the contract tests: every edge beside its fake."""

from collections.abc import Iterator

import pytest

from parjanya_dagster.local.stack import LocalAws
from tests.contract.endpoints import MOTO_DIFFERENCES, Endpoint, endpoint_at, served_moto


@pytest.fixture(scope="session")
def contract_aws(local_aws: LocalAws) -> Endpoint:
    """The local AWS process with tables and group, and without the functions that would react."""
    return endpoint_at(local_aws.endpoint)


@pytest.fixture(scope="session")
def contract_moto() -> Iterator[Endpoint]:
    """Moto with tables."""
    with served_moto() as url:
        yield endpoint_at(url, layers=("truth",))


@pytest.fixture(params=["fake", pytest.param("local_aws", marks=pytest.mark.local_aws), "moto"])
def endpoint(request: pytest.FixtureRequest) -> Endpoint | None:
    """What the contract is held against; None stands for the fakes."""
    if request.param == "fake":
        return None
    if request.param == "moto":
        difference = MOTO_DIFFERENCES.get(request.node.originalname)
        if difference:
            request.node.add_marker(pytest.mark.xfail(reason=f"moto: {difference}", strict=True))
        found: Endpoint = request.getfixturevalue("contract_moto")
    else:
        found = request.getfixturevalue("contract_aws")
    return found
