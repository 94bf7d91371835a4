"""Resources: Parjanya's platform, beside dagster-aws' parts."""

from functools import cache

import dagster as dg

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.wiring import platform_from_environment


class PlatformResource(dg.ConfigurableResource[None]):
    """The platform of this process: Truth, Intent, Belief and Execution behind ports.

    Attributes:
        web_url: where the web app answers, for links to images.
    """

    web_url: str = "http://127.0.0.1:8080"

    def get(self) -> Platform:
        """Return the platform, built once per process."""
        return _platform()


@cache
def _platform() -> Platform:
    return platform_from_environment("dagster")
