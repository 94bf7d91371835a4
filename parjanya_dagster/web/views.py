"""What a person sees of an image: its head, facts and result in plain words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from operator import itemgetter
from typing import Any, Final

from parjanya_dagster.core.reconcile.why import Answer
from parjanya_dagster.core.truth.identity import created_at_of
from parjanya_dagster.core.truth.row import ImageRow, Status, Verdict
from parjanya_dagster.web.drawers import Drawer


class Show(StrEnum):
    """Where an image stands, in the words of the page's filter."""

    ACCEPTED = "accepted"
    REVIEW = "review"
    REJECTED = "rejected"
    TECHNICAL = "technical"
    FAILED = "failed"
    PENDING = "pending"


_OF_VERDICT: Final = {
    Verdict.ACCEPT: Show.ACCEPTED,
    Verdict.REVIEW: Show.REVIEW,
    Verdict.REJECT: Show.REJECTED,
}
_YES_NO: Final = {"yes", "no"}
_WAITS_FOR: Final = {
    Status.PENDING_UPLOAD: "waiting for the file",
    Status.PENDING_VALIDATION: "being validated",
    Status.PENDING_VLM_ENRICHMENT: "waiting to be scored",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageView:
    """One image on the page.

    Args:
        scores: name and value in 0..1, in the prompt pack's order.
        chances: question and probability of yes, for questions of yes and no.
        labels: question, likeliest label and its probability, for the others without a score.
        wait: who has to act next and until when, for an image that waits; not part of `state`.
        took_s: seconds from the upload's request to the present status; None while it is pending.
        state: changes whenever anything shown changes.
    """

    image_id: str
    file_name: str
    show: Show
    status: Status
    reasons: tuple[str, ...]
    scores: tuple[tuple[str, float], ...]
    chances: tuple[tuple[str, float], ...]
    labels: tuple[tuple[str, str, float], ...]
    caption: str
    note: str
    wait: str
    has_preview: bool
    uploaded_at: datetime
    took_s: float | None
    scored_by: str | None
    policy_version: str | None

    @property
    def state(self) -> str:
        """A token of what is shown, by which the page knows whether a card is out of date."""
        shown = (self.status, self.show, self.policy_version, self.took_s, self.has_preview, self.note)
        return ".".join(str(part) for part in shown)


def show_of(row: ImageRow) -> Show:
    """Return where an image stands; a decision stays in force while the image is scored again."""
    if row.status is Status.REJECTED_TECHNICAL:
        return Show.TECHNICAL
    if row.status in (Status.VLM_FAILED, Status.UPLOAD_FAILED):
        return Show.FAILED
    return _OF_VERDICT[row.decision.verdict] if row.decision else Show.PENDING


def view_of(row: ImageRow, drawer: Drawer, why: Answer | None = None) -> ImageView:
    """Return what the page shows of an image.

    Args:
        why: why it waits, if it does.
    """
    uploaded_at = created_at_of(row.key.image_id)
    answers = drawer.result.answers if drawer.result else {}
    return ImageView(
        image_id=row.key.image_id,
        file_name=row.file_name
        or (row.original.key.rpartition("/")[2] if row.original else row.key.image_id),
        show=show_of(row),
        status=row.status,
        reasons=reasons_of(row),
        scores=scores_of(answers),
        chances=_chances_of(answers),
        labels=_labels_of(answers),
        caption=_caption_of(drawer),
        note=_note_of(row),
        wait=_wait_of(why) if why else "",
        has_preview=row.previews is not None,
        uploaded_at=uploaded_at,
        took_s=(row.entered_at - uploaded_at).total_seconds() if row.status.is_settled else None,
        scored_by=row.scored_by,
        policy_version=row.decision.policy_version if row.decision else None,
    )


def reasons_of(row: ImageRow) -> tuple[str, ...]:
    """Return the reason codes in force: the decision's, or those of the technical rejection or failure."""
    if row.status in (Status.REJECTED_TECHNICAL, Status.VLM_FAILED, Status.UPLOAD_FAILED):
        return tuple(code for code in (row.last_error or row.status).partition(":")[0].split(",") if code)
    return row.decision.reason_codes if row.decision else ()


def scores_of(answers: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    """Return the questions that have a score, 0..1."""
    return tuple((name, float(it["score"])) for name, it in answers.items() if it.get("score") is not None)


def _chances_of(answers: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    return tuple(
        (name, float(labels["yes"])) for name, labels in _unscored(answers) if set(labels) == _YES_NO
    )


def _labels_of(answers: Mapping[str, Any]) -> tuple[tuple[str, str, float], ...]:
    likeliest = {name: max(labels.items(), key=itemgetter(1)) for name, labels in _unscored(answers)}
    return tuple(
        (name, label, float(share)) for name, (label, share) in likeliest.items() if label not in _YES_NO
    )


def _unscored(answers: Mapping[str, Any]) -> list[tuple[str, Mapping[str, float]]]:
    plain = ((name, it["probabilities"]) for name, it in answers.items() if it.get("score") is None)
    return [(name, labels) for name, labels in plain if labels]


def _caption_of(drawer: Drawer) -> str:
    if drawer.facts is None:
        return ""
    technical, exif = drawer.facts.technical, drawer.facts.exif
    size = f"{technical['width']} × {technical['height']}" if technical.get("width") else ""  # noqa: RUF001 - a sign
    parts = (technical.get("format"), size, exif.get("model") or exif.get("make"))
    return " · ".join(str(part) for part in parts if part)


def _wait_of(why: Answer) -> str:
    until = f"By {why.deadline:%-d %b %H:%M:%S} UTC: {why.then}." if why.deadline else f"Then: {why.then}."
    return f"{why.reason[:1].upper()}{why.reason[1:]}. {until}"


def _note_of(row: ImageRow) -> str:
    if row.quarantined:
        return f"set aside: {row.last_error or 'it was tried too often'}"
    if row.status in _WAITS_FOR:
        return f"{_WAITS_FOR[row.status]} again" if row.decision else _WAITS_FOR[row.status]
    _, _, detail = (row.last_error or "").partition(":")
    return detail.strip() if row.status is not Status.ENRICHED else ""
