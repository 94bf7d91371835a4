"""What import-linter cannot see: what really happens in a process that imports our modules."""

from tests.architecture.source import PRODUCT, in_a_new_process, modules_of

IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
"""

GUARDED = (
    IMPORT_ALL
    + """
import os, socket
import botocore.client

# Libraries copy the environment when they are imported: they are first, so that only ours is watched.
ours = {name.partition(".")[0] for name in sys.argv[1:]}
for name in [name for name in sys.modules if name.partition(".")[0] in ours]:
    del sys.modules[name]

class Watched(type(os.environ)):
    def __getitem__(self, name):
        if name.startswith(("PARJANYA_", "ASG_EXECUTOR_")):
            raise AssertionError(f"{name} was read while a module was imported")
        return super().__getitem__(name)

real = os.environ
os.environ = Watched(real._data, real.encodekey, real.decodekey, real.encodevalue, real.decodevalue)

def refused(what):
    def refuse(*_args, **_kwargs):
        raise RuntimeError(f"{what} while a module was imported")
    return refuse

socket.socket.connect = refused("a connection was opened")
botocore.client.ClientCreator.create_client = refused("an AWS client was made")
"""
    + IMPORT_ALL
)

WITHOUT_DAGSTER = (
    """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0].startswith("dagster"):
            raise ImportError(f"{name} is not installed here")

sys.meta_path.insert(0, Blocked())
"""
    + IMPORT_ALL
)

# Libraries look whether torch is there: it must be missing, not broken.
WITHOUT_TORCH = (
    """
import sys
sys.modules.update(dict.fromkeys(("torch", "transformers", "tokenizers", "safetensors")))
"""
    + IMPORT_ALL
)

LOADED = IMPORT_ALL + "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"


def test_modules_when_imported_touch_neither_network_nor_environment() -> None:
    """Nothing happens at import: no AWS client, no connection, no setting is read."""
    in_a_new_process(GUARDED, *modules_of(*PRODUCT))


def test_core_and_control_when_imported_load_no_framework() -> None:
    """The core stays usable where neither Dagster nor AWS' libraries nor an image library exist."""
    loaded = in_a_new_process(
        LOADED, *modules_of("parjanya_dagster/core", "parjanya_dagster/control")
    ).split()

    assert {"boto3", "botocore", "dagster", "numpy", "PIL", "fastapi", "torch"}.isdisjoint(loaded)


def test_core_without_policy_when_imported_loads_the_standard_library_only() -> None:
    """Polars is the policy's alone, and pydantic the documents' that cross a boundary."""
    modules = [
        name
        for name in modules_of("parjanya_dagster/core")
        if ".policy" not in name
        and ".intent" not in name
        and ".reconcile" not in name
        and ".ports" not in name
    ]

    loaded = in_a_new_process(LOADED, *modules).split()

    assert {"polars", "pydantic", "boto3", "dagster"}.isdisjoint(loaded)


def test_workers_functions_and_web_when_dagster_is_missing_still_import() -> None:
    """An instance without Dagster drains the queue, the functions run, and the page is served."""
    rooms = ("gpu_worker", "infra", "parjanya_dagster/lambdas", "parjanya_dagster/web")

    in_a_new_process(WITHOUT_DAGSTER, *modules_of(*rooms), "parjanya_dagster.wiring")


def test_everything_but_its_engine_when_torch_is_missing_still_imports() -> None:
    """The laptop's engine, the command line, boot and the worker itself need no gigabyte of libraries."""
    modules = [name for name in modules_of(*PRODUCT) if ".qwen3_vl" not in name]

    in_a_new_process(WITHOUT_TORCH, *modules)


def test_engine_when_torch_is_missing_is_refused_with_the_library_that_is() -> None:
    """Whoever asks for the model without its libraries is told which to install."""
    said = in_a_new_process(
        WITHOUT_TORCH
        + """
from gpu_worker.engines.engine import engine_named
from parjanya_dagster.core.errors import ConfigError
engine_named("cpu")
try:
    engine_named("qwen3_vl")
except ConfigError as error:
    print(error)
"""
    )

    assert "needs a library that is not installed" in said
    assert "torch" in said


def test_functions_when_imported_load_no_web_server_and_no_decoder() -> None:
    """A function's cold start pays for what it uses: the decoder lives in a process of its own."""
    loaded = in_a_new_process(LOADED, *modules_of("parjanya_dagster/lambdas")).split()

    assert {"fastapi", "uvicorn", "ministack", "PIL", "numpy"}.isdisjoint(loaded)
