"""`farfield`: the command line."""

import typer

from farfield_cli.cluster import choice
from farfield_cli.demo import commands as demo_commands
from farfield_cli.evaluation import command as eval_command
from farfield_cli.experiment import commands as experiment_commands
from farfield_cli.play import commands as play_commands
from farfield_cli.plugins import commands as plugin_commands
from farfield_cli.report import command as report_command
from farfield_cli.runs import commands as run_commands
from farfield_cli.runs import train_command, weights_commands
from farfield_cli.stack import commands as stack_commands

app = typer.Typer(
    name="farfield",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Post-train near, generalize far: the local stack, clusters, the demo, runs, evaluation, reports.",
)
app.callback()(choice.choose)
app.command("demo", rich_help_panel="Experiments")(demo_commands.demo)
app.command("train", rich_help_panel="Experiments")(train_command.train)
app.command("eval", rich_help_panel="Experiments")(eval_command.evaluate)
app.command("report", rich_help_panel="Experiments")(report_command.report)
app.add_typer(experiment_commands.experiment_app, name="experiment", rich_help_panel="Experiments")
app.add_typer(run_commands.run_app, name="run", rich_help_panel="Experiments")
app.add_typer(weights_commands.weights_app, name="weights", rich_help_panel="Experiments")
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
