"""Serve the web app on 127.0.0.1: `python -m parjanya_dagster.web.serve --port 8080`."""

import argparse

import uvicorn

from parjanya_dagster.web.app import create_app
from parjanya_dagster.wiring import platform_from_environment


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    app = create_app(platform_from_environment("web"))
    # no access log: it would record presigned and sign-in addresses
    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
