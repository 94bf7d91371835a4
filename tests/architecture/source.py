"""Our own Python files, and the isolated processes that import them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PRODUCT = ("parjanya_dagster", "gpu_worker", "infra")
EVERYWHERE = (*PRODUCT, "benchmarks", "tests")


def python_files(*folders: str) -> Iterator[Path]:
    """Yield every Python file below these folders of the checkout, in order."""
    for folder in folders:
        yield from sorted(
            path for path in (CHECKOUT / folder).rglob("*.py") if "__pycache__" not in path.parts
        )


def name_of(path: Path) -> str:
    """Return a path as people write it, from the checkout's root."""
    return path.relative_to(CHECKOUT).as_posix()


def modules_of(*folders: str) -> list[str]:
    """Return the dotted names of every module below these folders, entry points (`__main__`) excepted."""
    names = (path.relative_to(CHECKOUT).with_suffix("").parts for path in python_files(*folders))
    return [
        ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        for parts in names
        if parts[-1] != "__main__"
    ]


def in_a_new_process(script: str, *arguments: str) -> str:
    """Run a script in an interpreter of its own, without AWS's or our variables; return what it printed.

    The test fails with the script's own error output.
    """
    foreign = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "PARJANYA_", "ASG_"))
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        cwd=CHECKOUT,
        env=foreign | {"PARJANYA_CANARY": "seen"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout
