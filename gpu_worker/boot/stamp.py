"""The stamp of a machine that has hashed its model folder: so that a warm restart need not do it again.

It says which machine read which files under which manifest. Another machine, another manifest or a file that
was touched since, and every byte is read again. A stamp that was baked into an image is another machine's:
instances of that image still read everything, which is what fills their volumes.
"""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from gpu_worker.boot.whole_file import write_whole

_STAMP: Final = "boot-stamp.json"
_LOCK: Final = "boot.lock"

FileMark = tuple[int, int, int]
"""Size in bytes, time of the last change in nanoseconds, inode."""


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: str
    folder: str
    manifest: str
    files: dict[str, FileMark]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Where a machine keeps its stamp.

    Args:
        state: a folder of the worker's own, outside the model folder; made if need be.
        machine: id of the instance.
    """

    state: Path
    machine: str

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let one process of the machine at a time read the folder: the others find its stamp afterwards.

        An instance with several GPUs boots several workers at once. Without a state, none waits.
        """
        with ExitStack() as stack:
            with suppress(OSError):
                self.state.mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context((self.state / _LOCK).open("w"))
                fcntl.flock(lock, fcntl.LOCK_EX)  # given back with the file, also by a process that dies
            yield

    def is_current(self, folder: Path, *, manifest: str, names: Mapping[str, object]) -> bool:
        """Whether this machine has hashed exactly these files before, and nobody touched them since.

        Args:
            manifest: its content hash.
            names: of the manifest's files.
        """
        try:
            kept = _Read.model_validate_json((self.state / _STAMP).read_bytes())
        except (OSError, ValidationError):
            return False
        return kept == self._of(folder, manifest, names)

    def put(self, folder: Path, *, manifest: str, names: Mapping[str, object]) -> None:
        """Note that this machine has hashed these files.

        Raises:
            OSError: the state cannot be written.
        """
        self.state.mkdir(parents=True, exist_ok=True)
        text = self._of(folder, manifest, names).model_dump_json() + "\n"
        write_whole(self.state / _STAMP, text.encode())

    def _of(self, folder: Path, manifest: str, names: Mapping[str, object]) -> _Read:
        marks = {name: _mark(folder / name) for name in names}
        return _Read(machine=self.machine, folder=str(folder.resolve()), manifest=manifest, files=marks)


def _mark(path: Path) -> FileMark:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino
