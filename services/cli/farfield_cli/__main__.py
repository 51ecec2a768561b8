"""`farfield`: the command line. Each command imports what it needs when it runs."""

import typer

from farfield_cli import stack_commands

app = typer.Typer(
    name="farfield",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Post-train near, generalize far: the local stack, the demo, runs, evaluation and reports.",
)
app.command(rich_help_panel="Stack")(stack_commands.up)
app.command(rich_help_panel="Stack")(stack_commands.down)
app.command(rich_help_panel="Stack")(stack_commands.status)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
