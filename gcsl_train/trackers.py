"""Experiment trackers, by name, through accelerate: TensorBoard, Weights & Biases, trackio and others that it knows."""

from pathlib import Path
from typing import Any

from gcsl_data.errors import UsageError, shown
from gcsl_train.config import Config
from gcsl_train.errors import nearest
from gcsl_train.meter import Track

NONE = "none"


def check(name: str, project: str) -> None:
    """Raise UsageError (2) for a tracker that accelerate does not know or whose package is not installed, and for a project
    that is no plain name: files would be written outside the run."""
    if name == NONE:
        return
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    known = [NONE, *LOGGER_TYPE_TO_CLASS]
    if name not in known:
        raise UsageError("GT0240", f"unknown tracker {name!r}; {nearest(name, known)}")
    if name not in map(str, get_available_trackers()):
        raise UsageError("GT0241", f"tracker {name!r} is not installed; pip install {name.replace('_', '-')}")
    if Path(project).name != project or project == "..":
        raise UsageError("GT0248", f"run.project must be a name without slashes, found {shown(project)}")


def arguments(name: str, folder: Path) -> dict[str, Any]:
    """What the Accelerator has to be told; trackers that write files write them in `folder`."""
    if name == NONE:
        return {}
    from accelerate.utils import ProjectConfiguration

    return {"log_with": name, "project_config": ProjectConfiguration(logging_dir=str(folder))}


def begin(accelerator: Any, config: Config, run_name: str) -> Track:
    """Begin the run at its tracker with all settings; gives what logs numbers at a step. Does nothing without a tracker."""
    run = config.run
    if run.tracker == NONE:
        return lambda numbers, step: None
    settings = {f"{part}.{name}": v for part, values in config.portable().items() for name, v in values.items()}
    named = {"wandb": {"name": run_name}, "trackio": {"name": run_name}, "swanlab": {"experiment_name": run_name}}
    flat = {name: value if isinstance(value, (bool, int, float)) else str(value) for name, value in settings.items()}
    accelerator.init_trackers(run.project, config=flat, init_kwargs=named)
    return lambda numbers, step: accelerator.log({k: v for k, v in numbers.items() if v is not None}, step=step)
