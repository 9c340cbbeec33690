"""Presets: how a well-known log becomes records. Each is a recipe in a TOML file with a head that says what it is for.

A preset needs no code: a file in `schemas/logs/` is one, and so is any file of a user's own.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from gcsl_data.errors import RecipeError, nearest, reading
from gcsl_data.resources import folder

HEAD = "log"
SUFFIX = ".toml"


@dataclass(frozen=True, slots=True)
class Preset:
    """A packaged preset: its file's name and text, and what its head says of the log.

    `columns` are those that tell such a log, each with alternatives (`a|b`).
    """

    name: str
    text: str
    title: str
    source: str
    licence: str
    about: str
    columns: tuple[str, ...]

    def is_of(self, names: set[str]) -> bool:
        """Whether a log with these columns looks like one for this preset."""
        return bool(self.columns) and all(names & {*column.split("|")} for column in self.columns)


def presets() -> tuple[Preset, ...]:
    """The packaged presets, by name."""
    return tuple(_preset(name, text) for name, text in sorted(_packaged().items()))


def _preset(name: str, text: str) -> Preset:
    head = tomllib.loads(text)[HEAD]
    said = {field: head[field] for field in ("title", "source", "licence", "about")}
    return Preset(name=name, text=text, **said, columns=tuple(head.get("columns", ())))


def find_preset(name: str) -> tuple[str, str]:
    """What messages call the preset, and its text: a path first, else a packaged one of that name.

    Raises RecipeError (78) when there is neither.
    """
    path = Path(name)
    with reading(name, RecipeError, "GD7801"):
        if path.is_file():
            try:
                return name, path.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise RecipeError("GD7802", f"{name} is not TOML: {error}") from None
    packaged = _packaged()
    if name not in packaged:
        raise RecipeError(
            "GD7806", f"no preset {name!r}, neither a file nor a packaged one; {nearest(name, sorted(packaged))}"
        )
    return f"preset {name}", packaged[name]


def _packaged() -> dict[str, str]:
    files = [file for file in (folder("schemas") / "logs").iterdir() if file.name.endswith(SUFFIX)]
    return {file.name.removesuffix(SUFFIX): file.read_text(encoding="utf-8") for file in files}
