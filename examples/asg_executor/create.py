"""Create the example's queue, table and bucket where boto3 points: AWS, or a local endpoint."""

import os
from pathlib import Path

import boto3

STACK = "asg-example"


def main() -> None:
    """Create the stack and wait until it stands."""
    cloudformation = boto3.client("cloudformation")
    cloudformation.create_stack(
        StackName=STACK,
        TemplateBody=(Path(__file__).parent / "resources.yaml").read_text(),
        Parameters=[{"ParameterKey": "Bucket", "ParameterValue": os.environ["EXAMPLE_BUCKET"]}],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 2})


if __name__ == "__main__":
    main()
