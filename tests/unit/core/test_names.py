"""Names of resources."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.names import (
    Names,
    checked_tenant,
    image_id_of_key,
    original_key,
    originals_folder,
    previews_folder,
)

NAMES = Names(prefix="parjanya-test", account="123456789012")
IMAGE_ID = "01900000-0000-7000-8000-000000000000"


def test_bucket_of_a_tenant_names_its_tenant() -> None:
    """Bucket routing goes both ways (incident 4)."""
    assert NAMES.tenant_of_bucket(NAMES.uploads_bucket("acme")) == "acme"


@pytest.mark.parametrize(
    "bucket", ["parjanya-test-123456789012-artifacts", "other-123456789012-t-acme", "", "x"]
)
def test_bucket_that_is_no_tenants_names_nobody(bucket: str) -> None:
    """An event of a foreign bucket is refused."""
    assert NAMES.tenant_of_bucket(bucket) is None


@given(st.text(max_size=300))
def test_original_key_of_any_file_name_leads_back_to_its_image(file_name: str) -> None:
    """A row can always be rebuilt from its object, whatever the photographer called the file."""
    key = original_key(IMAGE_ID, file_name)

    assert image_id_of_key(key) == IMAGE_ID
    assert key.isascii()


@pytest.mark.parametrize(
    "key", ["previews/x/1536.jpg", f"previews/{IMAGE_ID}/model.png", "originals/x/y.jpg", ""]
)
def test_key_that_is_no_original_has_no_image(key: str) -> None:
    """A preview never triggers an ingest."""
    assert image_id_of_key(key) is None


@pytest.mark.parametrize("tenant_id", ["", "A", "a", "-a", "a" * 32, "a_b", "a/b"])
def test_tenant_with_a_bad_name_is_refused_by_name(tenant_id: str) -> None:
    """What becomes part of a bucket's name is checked before it does."""
    with pytest.raises(InvalidRequestError, match="cannot name a tenant"):
        checked_tenant(tenant_id)


def test_names_of_one_deployment_share_its_prefix() -> None:
    """One look at a name tells whose it is."""
    names = [
        NAMES.images_table,
        NAMES.control_table,
        NAMES.steps_table,
        NAMES.intents_queue,
        NAMES.dead_letter_queue,
        NAMES.steps_queue,
        NAMES.gpu_group,
        NAMES.artifacts_bucket,
    ]

    assert all(name.startswith("parjanya-test-") for name in names)


def test_buckets_of_the_deployment_are_its_own_and_others_are_not() -> None:
    """What adoption may never take for a foreign source."""
    assert NAMES.owns_bucket(NAMES.uploads_bucket("acme"))
    assert NAMES.owns_bucket(NAMES.artifacts_bucket)
    assert not NAMES.owns_bucket("archive")


def test_image_lies_in_the_folders_that_carry_its_id() -> None:
    """Erasure finds everything of an image by its id alone."""
    assert original_key(IMAGE_ID, "a.jpg").startswith(originals_folder(IMAGE_ID))
    assert previews_folder(IMAGE_ID) == f"previews/{IMAGE_ID}/"
