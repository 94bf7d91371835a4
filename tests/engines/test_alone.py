"""The engine in a process that has only what an instance has."""

from pathlib import Path

from tests.architecture.source import in_a_new_process

ALONE = """
import os, socket, sys
sys.modules.update(dict.fromkeys(("torchvision", "accelerate", "jinja2")))

def refused(*_args, **_kwargs):
    raise RuntimeError("a connection was opened")

socket.socket.connect = socket.getaddrinfo = refused

from pathlib import Path
import numpy as np
import torch
from gpu_worker.engines.engine import EngineOptions, ScorableImage, engine_named
from gpu_worker.prompts.pack import shipped_pack

torch.set_num_threads(1)
engine = engine_named("qwen3_vl", EngineOptions(model=Path(sys.argv[1]), device="cpu", micro_batch=1))
(answers,) = engine.answer([ScorableImage(pixels=np.zeros((256, 256, 3), np.uint8))], shipped_pack())
print(len(answers.by_question), *sorted(name for name in os.environ if name.startswith("HF_")))
"""


def test_engine_needs_no_network_no_template_and_no_further_library(checkpoint: Path) -> None:
    """Offline, without torchvision (which breaks beside other builds of torch), accelerate and jinja."""
    assert in_a_new_process(ALONE, str(checkpoint)).split() == ["9"]
