"""`farfield`: the command line."""

import typer

from farfield_cli import (
    demo_commands,
    eval_command,
    play_commands,
    report_command,
    run_commands,
    runs_commands,
    stack_commands,
)
from farfield_cli.plugins import commands as plugin_commands

app = typer.Typer(
    name="farfield",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Post-train near, generalize far: the local stack, the demo, runs, evaluation and reports.",
)
app.command("demo", rich_help_panel="Experiments")(demo_commands.demo)
app.command("train", rich_help_panel="Experiments")(run_commands.train)
app.command("eval", rich_help_panel="Experiments")(eval_command.evaluate)
app.command("report", rich_help_panel="Experiments")(report_command.report)
app.add_typer(runs_commands.runs_app, name="runs", rich_help_panel="Experiments")
app.command("play", rich_help_panel="Environments")(play_commands.play)
app.add_typer(play_commands.env_app, name="env", rich_help_panel="Environments")
app.add_typer(plugin_commands.plugin_app, name="plugin", rich_help_panel="Environments")
app.command("up", rich_help_panel="Stack")(stack_commands.up)
app.command("down", rich_help_panel="Stack")(stack_commands.down)
app.command("status", rich_help_panel="Stack")(stack_commands.status)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
