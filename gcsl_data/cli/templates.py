"""gcsl-data templates: the goal templates that come with gcsl, and what is wrong with one of yours."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gcsl_data.cli._options import Json
from gcsl_data.fit import Comparator


class _ListByDefault(TyperGroup):
    """Without a subcommand, `list` is meant."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


templates_app = typer.Typer(cls=_ListByDefault, help="Goal templates: list the packaged ones, show one, lint yours.")


@templates_app.command(name="list")
def list_(json: Json = False) -> None:
    """List the packaged goal templates: name, form, comparator, first words."""
    from gcsl_data.audit.template_list import packaged_cards
    from gcsl_data.cli import _show
    from gcsl_data.dataset.decode import encode
    from gcsl_data.errors import one_line

    cards = packaged_cards()
    if json:
        _show.print_json({"templates": encode(cards)})
        return
    for card in cards:
        print(f"{card.name:<20} {card.form:<9} {card.comparator or '':<2} {one_line(card.sentence, limit=46)}")


@templates_app.command()
def show(
    template: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A packaged template or a file.")],
    json: Json = False,
) -> None:
    """Print a template's text, then two goals that it makes, the best one last."""
    from gcsl_data.audit.template_list import describe
    from gcsl_data.cli import _show
    from gcsl_data.dataset.decode import encode

    card = describe(template)
    if json:
        _show.print_json({"template": encode(card)})
    else:
        print("\n".join(_show.printable(text) for text in (card.text.rstrip(), "", *card.samples)))


@templates_app.command()
def lint(
    templates: Annotated[list[str], typer.Argument(metavar="NAME|FILE...", help="Packaged templates or files.")],
    comparator: Annotated[
        Comparator | None, typer.Option(metavar=">=|>|<=|<", help="What rows are labelled with. (the head's, else >=)")
    ] = None,
    json: Json = False,
) -> None:
    """Say what is wrong with goal templates: names, goals that read the same, words against their comparator, tokens.

    Exit 0 with warnings at most, 1 with an error.
    """
    from gcsl_data.audit.template_lint import lint as findings_of
    from gcsl_data.cli import _show
    from gcsl_data.dataset.decode import encode
    from gcsl_data.errors import one_line

    findings = {asked: findings_of(asked, comparator) for asked in templates}
    bad = any(finding.level == "error" for found in findings.values() for finding in found)
    if json:
        _show.print_json({"ok": not bad, "exit_code": int(bad), "templates": encode(findings)})
    else:
        for asked, found in findings.items():
            for finding in found:
                print(f"{finding.level:<7} {finding.rule}: {one_line(finding.message, limit=500)}")
            if not found:
                print(f"ok      {one_line(asked)}")
    if bad:
        raise typer.Exit(1)
