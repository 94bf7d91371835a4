"""A web app over fakes, with one tenant."""

import pytest

from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.control.tokens import issue_token
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from parjanya_dagster.web.app import create_app
from tests.builders import TENANT
from tests.web.browser import Browser


@pytest.fixture
def fakes() -> FakePlatform:
    """Return a platform with tenant `acme`."""
    fakes = a_fake_platform(plane="web")
    add_tenant(fakes.platform(), TENANT)
    return fakes


@pytest.fixture
def browser(fakes: FakePlatform) -> Browser:
    """Return a client of the app, signed in nowhere."""
    return Browser(create_app(fakes.platform()))


@pytest.fixture
def secret(fakes: FakePlatform) -> str:
    """Return a photographer's token of tenant `acme`."""
    return issue_token(fakes.platform(), tenant_id=TENANT, role="photographer", subject="ada")
