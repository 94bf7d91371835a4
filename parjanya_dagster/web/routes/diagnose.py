"""The diagnosis page: what is wrong with the platform, for the people who answer for a tenant's images.

A fault belongs to everybody, other tenants' names and images do not: on this page they have none.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response, status
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates
from markupsafe import Markup, escape

from parjanya_dagster.control.diagnose import findings_in, observe_evidence
from parjanya_dagster.core.reconcile.diagnose import SYMPTOMS
from parjanya_dagster.core.reconcile.findings import Finding
from parjanya_dagster.core.reconcile.wording import lasting
from parjanya_dagster.web.access import PageToken, PlatformOf
from parjanya_dagster.web.problems import ProblemError

router = APIRouter(include_in_schema=False)

MAY_DIAGNOSE: Final = ("admin", "curator")
ANOTHER: Final = "another tenant"
PLACEHOLDER: Final = "TENANT"
"""Stands for another tenant in a command."""

_IMAGE: Final = r"(?:#[0-9a-f-]{36})?"
_COMMAND: Final = re.compile(r"`([^`]+)`")
_templates: Final = Jinja2Templates(directory=Path(__file__).parents[1] / "templates")


@router.get("/diagnose")
def get_diagnose_page(request: Request, token: PageToken, platform: PlatformOf) -> Response:
    """Show what is wrong, or that nothing is."""
    if token is None:
        return RedirectResponse("/", status.HTTP_303_SEE_OTHER)
    if token.role not in MAY_DIAGNOSE:
        raise ProblemError(
            status.HTTP_403_FORBIDDEN,
            "role_refused",
            f"role '{token.role}' may not see the diagnosis; ask for an admin's or a curator's token",
        )
    evidence, now = observe_evidence(platform), platform.clock()
    others = evidence.tenants - {token.tenant_id}
    context = {
        "tenant": token.tenant_id,
        "subject": token.subject,
        "findings": [without(others, finding) for finding in findings_in(platform, evidence)],
        "looked_for": len(SYMPTOMS),
        "now": now,
        "lasting": lasting,
    }
    return _templates.TemplateResponse(request, "diagnose.html", context)


def without(others: Iterable[str], finding: Finding) -> Finding:
    """Return the finding without the names of these tenants, nor which images are theirs."""
    names = sorted(others, key=len, reverse=True)
    if not names:
        return finding
    # also inside a bucket's name, which ends with its tenant
    named = re.compile(rf"(?<![a-z0-9])(?:{'|'.join(map(re.escape, names))}){_IMAGE}(?![a-z0-9])")
    return replace(
        finding,
        summary=named.sub(ANOTHER, finding.summary),
        evidence=tuple(named.sub(ANOTHER, fact) for fact in finding.evidence),
        fix=named.sub(PLACEHOLDER, finding.fix),
    )


def commands(text: str) -> Markup:
    """Return text, escaped, whose `commands` are marked up as such."""
    return Markup(_COMMAND.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped right here


_templates.env.filters["commands"] = commands
