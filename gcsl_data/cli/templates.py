"""gcsl-data templates: the goal templates that come with gcsl."""

from gcsl_data.cli._options import Json


def templates(json: Json = False) -> None:
    """List the packaged goal templates with their text."""
    from gcsl_data.cli import _show
    from gcsl_data.resources import folder
    from gcsl_data.stages.templates import packaged_templates

    texts = {name: (folder("templates") / f"{name}.j2").read_text(encoding="utf-8") for name in packaged_templates()}
    if json:
        _show.print_json({"templates": texts})
        return
    for name, text in texts.items():
        print(f"{name}\n" + "\n".join(f"    {line}" for line in text.rstrip().splitlines()))
