"""POST /api/v1/uploads and GET /api/v1/images."""

from hashlib import sha256
from typing import Any

import pytest

from parjanya_dagster.control.tokens import issue_token
from parjanya_dagster.core.errors import UnavailableError
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform
from tests.builders import TENANT, a_key, a_result, a_row
from tests.web.browser import Browser

BODY = b"the bytes of a photo"


def an_upload(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """Return a valid request."""
    return {
        "file_name": "photo.jpg",
        "content_type": "image/jpeg",
        "size_bytes": len(BODY),
        "sha256": sha256(BODY).hexdigest(),
        **changes,
    }


def bearer(secret: str) -> dict[str, str]:
    """Return the headers that carry a token."""
    return {"Authorization": f"Bearer {secret}"}


def test_upload_when_asked_for_writes_a_row_and_returns_a_url_that_takes_the_bytes_once(
    fakes: FakePlatform, browser: Browser, secret: str
) -> None:
    """The row comes first, and the URL accepts exactly these bytes, once."""
    answer = browser.post("/api/v1/uploads", json=an_upload(), headers=bearer(secret))

    assert answer.status_code == 201
    ticket = answer.json()
    row = fakes.images.rows[ImageKey(tenant_id=TENANT, image_id=ticket["image_id"])]
    assert row.status is Status.PENDING_UPLOAD
    assert ticket["expires_at"] > "2026-03-01T12"
    assert [fakes.objects.http_put(ticket["url"], BODY, ticket["headers"]) for _ in range(2)] == [200, 412]


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer pj_wrong"}, {"Authorization": "Basic cGo6"}, bearer("")]
)
def test_upload_with_a_wrong_token_is_refused_and_says_how_to_get_one(
    browser: Browser, headers: dict[str, str]
) -> None:
    """401 names the command that issues a token."""
    answer = browser.post("/api/v1/uploads", json=an_upload(), headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (401, "wrong_token")
    assert "parjanya token issue" in answer.json()["message"]


def test_upload_by_a_role_that_may_not_is_refused(fakes: FakePlatform, browser: Browser) -> None:
    """A curator looks, a photographer uploads; nothing is written."""
    curator = issue_token(fakes.platform(), tenant_id=TENANT, role="curator", subject="bo")

    answer = browser.post("/api/v1/uploads", json=an_upload(), headers=bearer(curator))

    assert (answer.status_code, answer.json()["error"]) == (403, "role_refused")
    assert "photographer" in answer.json()["message"]
    assert not fakes.images.rows


def test_upload_for_another_tenant_than_the_tokens_is_refused(browser: Browser, secret: str) -> None:
    """A client that means another tenant never uploads into this one by mistake."""
    answer = browser.post("/api/v1/uploads?tenant=globex", json=an_upload(), headers=bearer(secret))

    assert (answer.status_code, answer.json()["error"]) == (404, "unknown_tenant")
    assert "parjanya tenant add globex" in answer.json()["message"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("file_name", ""),
        ("content_type", "a photo"),
        ("size_bytes", 0),
        ("size_bytes", 10**12),
        ("sha256", "abc"),
        ("priority", "now"),
        ("surprise", 1),
    ],
)
def test_upload_with_a_bad_field_names_it(
    fakes: FakePlatform, browser: Browser, secret: str, field: str, value: object
) -> None:
    """422 names every bad field; nothing is written."""
    answer = browser.post("/api/v1/uploads", json=an_upload(**{field: value}), headers=bearer(secret))

    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_fields")
    assert [each["field"] for each in answer.json()["fields"]] == [field]
    assert not fakes.images.rows


def test_upload_that_is_not_json_is_refused(browser: Browser, secret: str) -> None:
    """Garbage is a 422, never a 500."""
    answer = browser.post("/api/v1/uploads", content=b"\xff{", headers=bearer(secret))

    assert answer.status_code == 422


def test_upload_while_storage_is_away_says_so(fakes: FakePlatform, browser: Browser, secret: str) -> None:
    """An outage is a 503 with a time to come back, and not the client's fault."""
    fakes.calls.fail("images.create", UnavailableError("throttled"))

    answer = browser.post("/api/v1/uploads", json=an_upload(), headers=bearer(secret))

    assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "5"


def test_images_are_listed_newest_first_in_pages_of_the_own_tenant(
    fakes: FakePlatform, browser: Browser, secret: str
) -> None:
    """A page ends where the next begins, and never shows another tenant's images."""
    fakes.images.add(*(a_row(number) for number in (1, 2, 3)), a_row(4, tenant_id="globex"))

    first = browser.get("/api/v1/images?limit=2", headers=bearer(secret)).json()
    rest = browser.get(f"/api/v1/images?limit=2&before={first['next_before']}", headers=bearer(secret)).json()

    listed = [each["image_id"] for each in first["images"] + rest["images"]]
    assert listed == [a_key(number).image_id for number in (3, 2, 1)]
    assert rest["next_before"] is None


def test_image_with_a_verdict_is_listed_with_its_reasons_and_scores(
    fakes: FakePlatform, browser: Browser, secret: str
) -> None:
    """A script reads verdict, reasons and scores without a second request."""
    row = a_row(status=Status.ENRICHED)
    fakes.images.add(row)
    fakes.images.put_result(row.key, a_result())

    [image] = browser.get("/api/v1/images", headers=bearer(secret)).json()["images"]

    assert (image["verdict"], image["reason_codes"], image["scores"]) == ("accept", ["good"], {"focus": 0.75})


@pytest.mark.parametrize("limit", ["0", "1000", "many"])
def test_images_with_a_bad_limit_are_refused(browser: Browser, secret: str, limit: str) -> None:
    """A limit outside 1..200 is named."""
    answer = browser.get(f"/api/v1/images?limit={limit}", headers=bearer(secret))

    assert (answer.status_code, answer.json()["fields"][0]["field"]) == (422, "limit")


def test_unknown_route_of_the_api_answers_json(browser: Browser) -> None:
    """A misspelt address is told where the API is described."""
    answer = browser.get("/api/v1/upload")

    assert (answer.status_code, answer.json()["error"]) == (404, "no_such_route")
    assert "openapi.json" in answer.json()["message"]
