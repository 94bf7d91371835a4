"""Let a lock accept every wheel of the pinned PyTorch: the public ones, and the CPU wheel.

pip-compile knows only the wheel that it would install on the machine where it runs, and names its local version
(`+cpu`). The wheels that a lock may accept are listed in torch.sha256, as `sha256sum` writes them.

    python requirements/admit_torch.py requirements/dev.lock ...
"""

import re
import sys
from pathlib import Path

_TORCH = re.compile(r"^torch==(?P<version>[0-9.]+)(?:\+cpu)? \\\n(?: +--hash=.*\n)+", re.MULTILINE)


def main() -> None:
    """Rewrite the locks that are named on the command line."""
    wheels = [line.split() for line in Path(__file__).with_name("torch.sha256").read_text().splitlines()]
    for lock in map(Path, sys.argv[1:]):
        text = lock.read_text()
        found = _TORCH.search(text)
        if found is None:
            sys.exit(f"{lock}: no torch in it")
        version = found["version"]
        hashes = sorted(digest for digest, name in wheels if name.startswith(f"torch-{version}"))
        if not hashes:
            sys.exit(f"torch.sha256 lists no wheel of torch {version}: add them")
        lines = [f"torch=={version}", *(f"    --hash=sha256:{digest}" for digest in hashes)]
        lock.write_text(text[: found.start()] + " \\\n".join(lines) + "\n" + text[found.end() :])


main()
