"""`farfield`: the command line."""

import typer

from farfield_cli import demo_commands, play_commands, report_command, run_commands, stack_commands

app = typer.Typer(
    name="farfield",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Post-train near, generalize far: the local stack, the demo, runs, evaluation and reports.",
)
for _command, _name in (
    (demo_commands.demo, "demo"),
    (run_commands.train, "train"),
    (run_commands.evaluate, "eval"),
    (report_command.report, "report"),
):
    app.command(_name, rich_help_panel="Experiments")(_command)
app.add_typer(run_commands.runs_app, name="runs", rich_help_panel="Experiments")
app.command("play", rich_help_panel="Environments")(play_commands.play)
app.add_typer(play_commands.env_app, name="env", rich_help_panel="Environments")
for _command, _name in (
    (stack_commands.up, "up"),
    (stack_commands.down, "down"),
    (stack_commands.status, "status"),
):
    app.command(_name, rich_help_panel="Stack")(_command)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
