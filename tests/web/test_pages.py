"""The pages: sign-in, images, previews."""

import re
from dataclasses import replace

import pytest

from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.core.errors import UnavailableError
from parjanya_dagster.core.truth.row import Status, Verdict
from parjanya_dagster.simulation.fakes.platform import FakePlatform
from tests.builders import TENANT, a_decision, a_key, a_result, a_row, some_facts
from tests.web.browser import Browser


@pytest.fixture
def signed_in(browser: Browser, secret: str) -> Browser:
    """Return a client that is signed in to tenant `acme`."""
    browser.post("/sign-in", data={"token": secret})
    return browser


def test_sign_in_with_a_token_sets_a_cookie_that_scripts_and_other_sites_cannot_use(
    browser: Browser, secret: str
) -> None:
    """The token is put where neither a script nor a foreign page reaches it."""
    answer = browser.post("/sign-in", data={"token": f" {secret}\n"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/images")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_sign_in_with_a_wrong_token_says_how_to_get_one(browser: Browser) -> None:
    """A refused token leaves no cookie and names the command."""
    answer = browser.post("/sign-in", data={"token": "pj_wrong"})

    assert answer.status_code == 401
    assert "parjanya token issue" in answer.text
    assert "set-cookie" not in answer.headers


def test_sign_in_with_a_huge_form_is_refused(browser: Browser) -> None:
    """Nobody fills the memory through the sign-in."""
    assert browser.post("/sign-in", content=b"token=" + b"x" * 10_000).status_code == 413


def test_sign_out_forgets_the_token(signed_in: Browser) -> None:
    """After signing out the images are out of reach."""
    signed_in.post("/sign-out")

    assert signed_in.get("/images").headers["location"] == "/"


@pytest.mark.parametrize(("path", "status_code"), [("/images", 303), (f"/previews/{a_key().image_id}", 404)])
def test_page_without_sign_in_shows_nothing(
    fakes: FakePlatform, browser: Browser, path: str, status_code: int
) -> None:
    """Images and previews are for the signed in."""
    fakes.images.add(a_row())

    assert browser.get(path).status_code == status_code


def test_images_page_without_images_says_how_to_upload(signed_in: Browser) -> None:
    """The empty state is a beginning."""
    page = signed_in.get("/images")

    assert page.status_code == 200
    assert f"parjanya upload ~/Pictures --tenant {TENANT}" in page.text


def test_images_page_shows_verdict_reasons_scores_and_camera(fakes: FakePlatform, signed_in: Browser) -> None:
    """One look tells what was decided and why."""
    row = a_row(status=Status.ENRICHED, decision=a_decision(Verdict.REJECT, "out_of_focus"))
    fakes.images.add(row)
    fakes.images.put_facts(row.key, some_facts())
    fakes.images.put_result(row.key, a_result())

    page = signed_in.get("/images").text

    assert all(part in page for part in ("Rejected", "out of focus", "0.75", "6000 × 4000", "Canon"))  # noqa: RUF001 - a sign
    assert f'src="/previews/{row.key.image_id}"' in page


def test_images_page_shows_nothing_of_an_erased_image(fakes: FakePlatform, signed_in: Browser) -> None:
    """A tombstone is no image in progress: there is nothing left to show, and nothing to wait for."""
    fakes.images.add(a_row(1, status=Status.ENRICHED), a_row(2, status=Status.ERASED))

    page = signed_in.get("/images").text

    assert re.findall(r'id="i-([^"]+)"', page) == [a_key(1).image_id]
    assert re.search(r"All <b>1</b>", page)


def test_images_page_shows_why_a_file_was_rejected_before_scoring(
    fakes: FakePlatform, signed_in: Browser
) -> None:
    """A technical rejection is named by its codes."""
    fakes.images.add(a_row(status=Status.REJECTED_TECHNICAL, last_error="truncated,undecodable"))

    page = signed_in.get("/images").text

    assert all(code in page for code in (">truncated<", ">undecodable<"))


def test_images_page_escapes_file_names(fakes: FakePlatform, signed_in: Browser) -> None:
    """A file name is data: it never becomes markup."""
    fakes.images.add(a_row(file_name='"><script>alert(1)</script>.jpg'))

    page = signed_in.get("/images").text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_images_page_filters_by_verdict_and_counts_all(fakes: FakePlatform, signed_in: Browser) -> None:
    """A filter narrows the cards, the counts stay those of all images."""
    accepted = a_row(1, status=Status.ENRICHED)
    review = a_row(2, status=Status.ENRICHED, decision=a_decision(Verdict.REVIEW, "text_heavy"))
    fakes.images.add(accepted, review, a_row(3))

    page = signed_in.get("/images?show=review").text

    assert re.findall(r'<article class="card (\w+)" id="i-([^"]+)"', page) == [
        ("review", review.key.image_id)
    ]
    assert re.search(r"All <b>3</b>", page)


def test_images_page_refreshes_only_while_something_is_pending(
    fakes: FakePlatform, signed_in: Browser
) -> None:
    """A page of settled images leaves the server alone."""
    row = a_row()
    fakes.images.add(row)
    moving = signed_in.get("/images").text
    fakes.images.add(a_row(status=Status.ENRICHED))

    assert 'data-pending="yes"' in moving
    assert 'data-pending="no"' in signed_in.get("/images").text


def test_images_page_keeps_a_verdict_in_force_while_the_image_is_scored_again(
    fakes: FakePlatform, signed_in: Browser
) -> None:
    """A replay takes nothing away until there is something better."""
    replayed = replace(a_row(status=Status.ENRICHED), status=Status.PENDING_VLM_ENRICHMENT, generation=2)
    fakes.images.add(replayed)

    page = signed_in.get("/images").text

    assert "Accepted" in page
    assert "waiting to be scored again" in page


def test_images_page_of_many_leads_to_the_older(fakes: FakePlatform, signed_in: Browser) -> None:
    """Every image is reachable by paging."""
    fakes.images.add(*(a_row(number) for number in range(1, 101)))

    first = signed_in.get("/images").text
    [older] = re.findall(r'href="(/images\?before=[^"]+)"', first)
    second = signed_in.get(older).text

    ids = re.findall(r'id="i-([^"]+)"', first + second)
    assert sorted(ids) == [a_key(number).image_id for number in range(1, 101)]


def test_preview_redirects_to_storage_for_the_own_tenant_only(
    fakes: FakePlatform, signed_in: Browser
) -> None:
    """A preview's address is short-lived, and another tenant's image does not exist."""
    add_tenant(fakes.platform(), "globex")
    own, foreign = a_row(1), a_row(2, tenant_id="globex")
    fakes.images.add(own, foreign)

    answer = signed_in.get(f"/previews/{own.key.image_id}")

    assert answer.status_code == 307
    assert fakes.names.uploads_bucket(TENANT) in answer.headers["location"]
    assert signed_in.get(f"/previews/{foreign.key.image_id}").status_code == 404


def test_pages_carry_headers_that_load_and_frame_nothing_foreign(
    fakes: FakePlatform, signed_in: Browser
) -> None:
    """Only our own scripts run, and images come from us and the storage."""
    fakes.images.add(a_row())

    headers = signed_in.get("/images").headers

    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "img-src 'self' https://fake.invalid;" in policy
    assert headers["x-content-type-options"] == "nosniff"


def test_request_under_a_foreign_host_name_is_refused(fakes: FakePlatform, browser: Browser) -> None:
    """A foreign name that resolves to this machine does not reach the app."""
    del fakes

    assert browser.get("/healthz", headers={"Host": "evil.example"}).status_code == 400


def test_page_while_storage_is_away_says_so(fakes: FakePlatform, signed_in: Browser) -> None:
    """An outage is a page in plain words, and not a stack trace."""
    fakes.calls.fail("images.listing", UnavailableError("<throttled>"))

    page = signed_in.get("/images")

    assert page.status_code == 503
    assert "&lt;throttled&gt;" in page.text


def test_health_answers(browser: Browser) -> None:
    """The process says that it serves."""
    assert browser.get("/healthz").json() == {"status": "ok"}


def test_image_that_waits_says_who_is_next_and_until_when(fakes: FakePlatform, signed_in: Browser) -> None:
    """Every wait has a reason and an end, and is told where people look first."""
    sent_at = fakes.clock()
    fakes.images.add(
        a_row(1, intent_at=sent_at, intent_id="intent-1", emissions=1), a_row(2, status=Status.ENRICHED)
    )

    page = signed_in.get("/images").text

    [told] = re.findall(r'<p class="note" title="([^"]+)">waiting to be scored</p>', page)
    assert told.startswith("Its job is one of 0 on the queue, and no instance is asked for. By ")
    assert "its job is sent again" in told
    assert page.count('title="Its job') == 1
