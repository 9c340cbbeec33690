"""The engines by name. An engine is imported when it is asked for."""

from collections.abc import Sequence
from typing import Literal

from gcsl_data.engines import Engine
from gcsl_data.engines.local import LocalEngine
from gcsl_data.ingest.inputs import Log

EngineName = Literal["local", "ray"]


def engine_of(name: EngineName, logs: Sequence[Log]) -> Engine:
    """The engine of this name for plans over these logs. Raises what the engine raises."""
    if name == "local":
        return LocalEngine(logs)
    from gcsl_data.engines.ray import RayEngine

    return RayEngine(logs)
