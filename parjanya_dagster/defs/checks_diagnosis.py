"""The diagnosis as an asset check: the runbook, evaluated every night and whenever somebody asks."""

import dagster as dg

from parjanya_dagster.control.diagnose import diagnosis_of
from parjanya_dagster.core.reconcile.diagnose import SYMPTOMS
from parjanya_dagster.defs.assets_intent import vlm_intents
from parjanya_dagster.defs.metadata import table
from parjanya_dagster.defs.resources import PlatformResource


@dg.asset_check(asset=vlm_intents, name="no_findings")
def no_findings_check(platform: PlatformResource) -> dg.AssetCheckResult:
    """Nothing is wrong with the platform as a whole; what is, is named with layer, evidence and fix."""
    findings = diagnosis_of(platform.get())
    described = f"nothing of the {len(SYMPTOMS)} things looked for is wrong"
    if findings:
        more = f", and {len(findings) - 1} more" if len(findings) > 1 else ""
        described = f"{findings[0].summary}{more}"
    return dg.AssetCheckResult(
        passed=not findings,
        description=described,
        metadata={
            "findings": table(
                {
                    "layer": finding.layer.value,
                    "incident": finding.incident,
                    "since": finding.since,
                    "summary": finding.summary,
                    "evidence": "\n".join(finding.evidence),
                    "fix": finding.fix,
                }
                for finding in findings
            ),
            "looked_for": ", ".join(symptom.__name__ for symptom in SYMPTOMS),
            "page": dg.MetadataValue.url(f"{platform.web_url}/diagnose"),
        },
    )
