"""The options that a command knows."""

import typer.main

from onnxcausal.cli.main import app


def flags_of(command: str) -> set[str]:
    """Return the flags of a command, as its help names them."""
    program = typer.main.get_command(app)
    commands = getattr(program, "commands", {})
    return {flag for parameter in commands[command].params for flag in (*parameter.opts, *parameter.secondary_opts)}
