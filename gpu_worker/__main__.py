"""Entry point of `python -m gpu_worker`."""

import sys

from gpu_worker.main import main

if __name__ == "__main__":
    sys.exit(main())
