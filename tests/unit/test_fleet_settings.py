"""Extra fleets as settings name them."""

import pytest

from parjanya_dagster.cli.home import Home, load_home
from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.names import MOST_FLEETS, Names, fleets_in, remembered_as
from parjanya_dagster.settings import load_settings
from parjanya_dagster.wiring import platform_from

NAMES = Names(prefix="parjanya-test", account="123456789012")


def test_fleets_have_names_and_prices_if_they_are_others() -> None:
    """One setting says which fleets there are, and what an instance of each costs."""
    assert fleets_in("") == {}
    assert fleets_in(" large:1.861, huge ,") == {"large": 1.861, "huge": None}
    assert (NAMES.fleet_queue("large"), NAMES.fleet_group("large")) == (
        "parjanya-test-intents-large",
        "parjanya-test-gpu-large",
    )
    assert (remembered_as("demand", None), remembered_as("demand", "large")) == ("demand", "demand@large")


@pytest.mark.parametrize(
    "text",
    ["Large", "large:", "large:0", "large:-1", "large,large", "dead", "default", "9", "a" * 17, "a b"],
)
def test_name_that_cannot_be_a_fleet_is_refused_by_name(text: str) -> None:
    """`dead` would be a queue of the dead letters, and `default` the usual fleet."""
    with pytest.raises(ValueError, match="cannot be a fleet"):
        fleets_in(text)


def test_fleets_are_as_many_as_one_dead_letter_queue_serves() -> None:
    """SQS lets ten queues name a dead-letter queue."""
    names = [f"fleet-{number}" for number in range(MOST_FLEETS + 1)]

    assert len(fleets_in(",".join(names[:-1]))) == MOST_FLEETS
    with pytest.raises(ValueError, match="9 at most"):
        fleets_in(",".join(names))


@pytest.mark.parametrize(
    ("name", "value"),
    [("PARJANYA_FLEETS", "dead"), ("PARJANYA_FLEET", "default"), ("PARJANYA_FLEET", "large:2")],
)
def test_setting_that_names_no_fleet_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """A worker with half a name would take the usual fleet's jobs instead."""
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigError, match=name):
        load_settings()


def test_home_with_a_bad_fleet_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """`parjanya up` says so before it deploys anything."""
    monkeypatch.setenv("PARJANYA_FLEETS", "dead")

    with pytest.raises(ConfigError, match="PARJANYA_FLEETS"):
        load_home()
    assert Home(fleets="large:2").extra_fleets == {"large": 2.0}


def test_platform_has_the_fleets_of_the_settings_each_at_its_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cap is each fleet's, and buys fewer of the dearer instances."""
    for name, value in (("FLEETS", "large:2,huge"), ("PRICE_CAP_USD", "5"), ("INSTANCE_USD_PER_HOUR", "1")):
        monkeypatch.setenv(f"PARJANYA_{name}", value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    platform = platform_from(load_settings(), plane="lambda")

    assert platform.fleet_name is None
    assert platform.capacity.most == 4
    assert {name: each.capacity.most for name, each in platform.others.items()} == {"large": 2, "huge": 4}


def test_worker_works_for_the_fleet_in_its_environment_and_nobody_else_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The machine knows which queue it drains; a plane serves all of them, whatever its environment says."""
    monkeypatch.setenv("PARJANYA_FLEET", "large")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    settings = load_settings()

    assert platform_from(settings, plane="worker").fleet_name == "large"
    assert platform_from(settings, plane="dagster").fleet_name is None
