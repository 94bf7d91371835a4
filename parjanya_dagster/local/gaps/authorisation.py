# ruff: noqa: SLF001 - private names of another project, asserted at start by application.py
"""IAM: what a request is authorised for, where the local process asks another question than AWS."""

import json
from typing import Any
from urllib.parse import parse_qs

from parjanya_dagster.local.gaps.cbor import loads
from parjanya_dagster.local.warm_pool import Pool


class Authorisation:
    """IAM: a call that names an instance is authorised on its group, and a batch as its single action.

    As on AWS, where no policy can name `sqs:SendMessageBatch`.
    """

    def __init__(self, modules: dict[str, Any]) -> None:
        self._service = modules["ministack.services.autoscaling"]
        self._actions = modules["ministack.core.iam_actions"]
        self._action = self._actions.extract_iam_action
        self._resource = self._actions.extract_resource_arn

    def install(self) -> None:
        """Correct what the policies are evaluated for."""
        self._actions.extract_iam_action = self._single_action
        self._actions.extract_resource_arn = self._with_group

    def _single_action(self, service: str, *arguments: Any) -> str | None:  # noqa: ANN401 - passed on untouched
        action: str | None = self._action(service, *arguments)
        return action.removesuffix("Batch") if service == "sqs" and action else action

    def _with_group(self, service: str, *arguments: Any) -> str:  # noqa: ANN401 - passed on untouched
        query = arguments[4]
        instance_id = self._service._p(query, "InstanceId") if service == "autoscaling" else ""
        for name, group in self._service._asgs.items() if instance_id else ():
            members = [*group["Instances"], *Pool(group).instances]
            if any(instance["InstanceId"] == instance_id for instance in members):
                arguments = (*arguments[:4], {**query, "AutoScalingGroupName": name}, *arguments[5:])
        resource: str = self._resource(service, *arguments)
        return resource


class ConditionalWrites:
    """S3: the condition keys by which a bucket policy can demand `If-None-Match: *`.

    Without them that policy, as AWS documents it, allows everything here.
    """

    def __init__(self, modules: dict[str, Any]) -> None:
        self._actions = modules["ministack.core.iam_actions"]
        self._context = self._actions.s3_service_context

    def install(self) -> None:
        """Extend what a request tells the policy evaluation."""
        self._actions.s3_service_context = self._with_precondition

    def _with_precondition(
        self, action: str, query: dict[str, Any] | None, path: str = "", headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        context: dict[str, Any] = self._context(action, query, path, headers)
        if action == "s3:PutObject":
            # parts and the start of a multipart upload create no object yet
            is_part = not {"partNumber", "uploads"}.isdisjoint(query or {})
            context["s3:ObjectCreationOperation"] = "false" if is_part else "true"
            precondition = (headers or {}).get("if-none-match")
            if precondition is not None:
                context["s3:if-none-match"] = precondition
        return context


class MetricNamespaces:
    """CloudWatch: `cloudwatch:namespace`, the only thing by which PutMetricData can be limited."""

    def __init__(self, modules: dict[str, Any]) -> None:
        self._actions = modules["ministack.core.iam_actions"]
        self._context = self._actions.request_tag_context

    def install(self) -> None:
        """Extend what a request tells the policy evaluation."""
        self._actions.request_tag_context = self._with_namespace

    def _with_namespace(
        self, service: str, action: str, body: bytes, query: dict[str, Any]
    ) -> dict[str, Any]:
        context: dict[str, Any] = self._context(service, action, body, query)
        if action == "cloudwatch:PutMetricData":
            context["cloudwatch:namespace"] = _namespace_in(body)
        return context


def _namespace_in(body: bytes) -> str:
    """Return the namespace in a request of any of CloudWatch's protocols."""
    if body.startswith(b"{"):
        return str(json.loads(body).get("Namespace", ""))
    if b"Namespace=" in body:
        return parse_qs(body.decode())["Namespace"][0]
    return str(loads(body).get("Namespace", ""))
