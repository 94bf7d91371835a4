"""The diagnosis page: who may see it, what it says, and whose names it never says."""

import pytest

from parjanya_dagster.control.tokens import issue_token
from parjanya_dagster.core.reconcile.findings import Finding, Kind
from parjanya_dagster.simulation.fakes.platform import FakePlatform
from parjanya_dagster.simulation.scene_acts import TENANT, opening
from parjanya_dagster.simulation.scenes import SCENES
from parjanya_dagster.web.app import create_app
from parjanya_dagster.web.routes.diagnose import commands, without
from tests.web.browser import Browser


@pytest.fixture
def world() -> FakePlatform:
    """Return a world in which all is well."""
    return opening()


def signed_in(world: FakePlatform, role: str) -> Browser:
    """Return a client that is signed in to the tenant with a role."""
    secret = issue_token(world.platform(), tenant_id=TENANT, role=role, subject="ada")
    browser = Browser(create_app(world.platform()))
    browser.post("/sign-in", data={"token": secret})
    return browser


@pytest.mark.parametrize(("role", "status_code"), [("admin", 200), ("curator", 200), ("photographer", 403)])
def test_page_is_for_admins_and_curators(world: FakePlatform, role: str, status_code: int) -> None:
    """Whoever answers for images may see why they wait; the images page leads there, and for nobody else."""
    browser = signed_in(world, role)

    assert browser.get("/diagnose").status_code == status_code
    assert ('href="/diagnose"' in browser.get("/images").text) == (status_code == 200)


def test_page_without_sign_in_shows_nothing(world: FakePlatform) -> None:
    """A stranger is sent to the sign-in."""
    answer = Browser(create_app(world.platform())).get("/diagnose")

    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_page_when_all_is_well_says_so(world: FakePlatform) -> None:
    """A calm page for a calm platform."""
    page = signed_in(world, "admin").get("/diagnose").text

    assert "Nothing is wrong" in page
    assert 'class="finding' not in page


@pytest.mark.parametrize("code", SCENES)
def test_page_shows_each_incident_with_layer_evidence_and_fix(world: FakePlatform, code: str) -> None:
    """One card per finding, and no second one for a consequence."""
    SCENES[code].stage(world)

    page = signed_in(world, "admin").get("/diagnose").text

    assert page.count('<article class="finding') == 1
    assert f"incident {code}<" in page
    assert "<b>Fix</b>" in page
    assert "<li>" in page


def test_page_names_no_other_tenant(world: FakePlatform) -> None:
    """Incident 5 of somebody else: that it is so is everybody's business, whose it is is not."""
    SCENES["5"].stage(world)
    key = next(key for key in world.images.rows if key.tenant_id == "brave")

    page = signed_in(world, "curator").get("/diagnose").text

    assert "1 tenant with a bucket or images and no registry marker: another tenant" in page
    assert "brave" not in page
    assert key.image_id not in page


def test_names_are_taken_out_of_buckets_and_the_longest_first() -> None:
    """`beta-two` is not `beta` with something behind it, and a bucket ends with its tenant's name."""
    finding = Finding(
        kind=Kind.WRONG_BUCKET,
        summary="beta-two and beta, not alphabet",
        evidence=("acme points to parjanya-test-000000000000-t-beta",),
        since=None,
        fix="`parjanya why tenant:beta`",
    )

    masked = without({"beta", "beta-two"}, finding)

    assert masked.summary == "another tenant and another tenant, not alphabet"
    assert masked.evidence == ("acme points to parjanya-test-000000000000-t-another tenant",)
    assert masked.fix == "`parjanya why tenant:TENANT`"
    assert without(set(), finding) is finding


def test_commands_are_marked_up_and_everything_else_is_escaped() -> None:
    """What an error message holds never becomes markup."""
    assert commands("run `parjanya up` <now>") == "run <code>parjanya up</code> &lt;now&gt;"
