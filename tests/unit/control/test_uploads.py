"""Uploads, tenants and tokens over fakes."""

from dataclasses import replace
from hashlib import sha256
from http import HTTPStatus

import pytest
from pydantic import ValidationError

from parjanya_dagster.control.counters import backlog
from parjanya_dagster.control.listing import images_of
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.control.tokens import authenticate, issue_token
from parjanya_dagster.control.uploads import UploadRequest, request_upload
from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.ports import Token
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from tests.builders import NAMES, a_row

BODY = b"image"
REQUEST = UploadRequest(
    file_name="a photo.jpg", content_type="image/jpeg", size_bytes=len(BODY), sha256=sha256(BODY).hexdigest()
)
TOKEN = Token(tenant_id="acme", role="photographer", subject="ada")


def test_tenant_is_onboarded_by_its_bucket_and_one_marker() -> None:
    """Incident 5: onboarding needs no change anywhere else."""
    world = a_fake_platform()

    bucket = add_tenant(world.platform(), "acme")

    assert bucket == NAMES.uploads_bucket("acme")
    assert world.control.tenants() == ["acme"]


def test_token_speaks_for_its_tenant_and_no_other_secret_does() -> None:
    """Only the digest of a secret is stored."""
    world = a_fake_platform()
    platform = world.platform()
    add_tenant(platform, "acme")

    secret = issue_token(platform, tenant_id="acme", role="photographer", subject="ada")

    assert authenticate(platform, secret) == TOKEN
    assert authenticate(platform, secret + "x") is None


@pytest.mark.parametrize(
    ("tenant", "role", "message"), [("acme", "king", "role"), ("zeta", "admin", "tenant add zeta")]
)
def test_token_for_an_unknown_tenant_or_role_is_refused_with_what_to_do(
    tenant: str, role: str, message: str
) -> None:
    """A clear error says what to do next."""
    world = a_fake_platform()
    add_tenant(world.platform(), "acme")

    with pytest.raises(InvalidRequestError, match=message):
        issue_token(world.platform(), tenant_id=tenant, role=role, subject="ada")


def test_upload_request_writes_the_row_and_signs_exactly_these_bytes() -> None:
    """The row exists before the bytes can arrive; the URL accepts these bytes once."""
    world = a_fake_platform()
    platform = world.platform()
    add_tenant(platform, "acme")

    ticket = request_upload(platform, TOKEN, REQUEST)

    row = world.images.get(ImageKey(tenant_id="acme", image_id=ticket.image_id))
    assert row is not None
    assert row.status is Status.PENDING_UPLOAD
    assert world.objects.http_put(ticket.put.url, BODY, ticket.put.headers) == HTTPStatus.OK
    assert world.objects.http_put(ticket.put.url, BODY, ticket.put.headers) == HTTPStatus.PRECONDITION_FAILED


def test_upload_request_writes_a_missing_marker_again() -> None:
    """Incident 5: every presign re-asserts the registry marker."""
    world = a_fake_platform()
    world.buckets.ensure("acme")

    request_upload(world.platform(), TOKEN, REQUEST)

    assert world.control.tenants() == ["acme"]


def test_upload_by_a_curator_is_refused() -> None:
    """A role that only judges may not add images."""
    curator = Token(tenant_id="acme", role="curator", subject="bo")

    with pytest.raises(InvalidRequestError, match="photographer"):
        request_upload(a_fake_platform().platform(), curator, REQUEST)


def test_upload_whose_id_exists_is_refused_and_overwrites_nothing() -> None:
    """Even an impossible collision loses nothing."""
    world = a_fake_platform()
    add_tenant(world.platform(), "acme")
    same = replace(world.platform(), entropy=bytes)
    request_upload(same, TOKEN, REQUEST)

    with pytest.raises(InvalidRequestError, match="exists already"):
        request_upload(same, TOKEN, REQUEST)


@pytest.mark.parametrize(
    "fault",
    [
        {"size_bytes": 0},
        {"sha256": "x"},
        {"content_type": "x"},
        {"file_name": ""},
        {"priority": "urgent"},
        {"more": 1},
    ],
)
def test_upload_request_with_a_bad_field_is_refused(fault: dict[str, object]) -> None:
    """What a client says is checked before anything is written."""
    with pytest.raises(ValidationError):
        UploadRequest.model_validate(REQUEST.model_dump() | fault)


def test_listing_and_backlog_come_from_the_indexes() -> None:
    """The backlog is Truth's, per tenant; the queue is only Belief."""
    world = a_fake_platform()
    world.images.add(a_row(1), a_row(2), a_row(3, status=Status.ENRICHED))
    world.clock.advance(seconds=5)

    assert [row.key for row in images_of(world.platform(), "acme", limit=2)] == [a_row(3).key, a_row(2).key]
    assert backlog(world.platform()) == {"acme": 2}
