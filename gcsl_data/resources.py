"""Finds the packaged `templates/` and `schemas/`: inside the package in a wheel, beside it in a checkout."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

Folder = Literal["templates", "schemas"]


def folder(name: Folder) -> Traversable:
    """The packaged folder `name`.

    In a wheel it lies inside the package. Beside the package it counts only next to our own pyproject.toml: in
    site-packages, a folder called `templates` may be somebody else's.
    """
    inside = files("gcsl_data") / name
    if inside.is_dir():
        return inside
    checkout = Path(__file__).resolve().parent.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / name).is_dir():
        return checkout / name
    raise FileNotFoundError(f"neither {inside} nor {checkout / name} exists; reinstall gcsl, or run from a checkout")
