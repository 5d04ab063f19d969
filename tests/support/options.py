"""The commands of the program and the options that they know."""

import typer.main

from onnxcausal.cli.main import app


def flags_of(command: str) -> set[str]:
    """Return the flags of a command, as its help names them."""
    program = typer.main.get_command(app)
    commands = getattr(program, "commands", {})
    return {flag for parameter in commands[command].params for flag in (*parameter.opts, *parameter.secondary_opts)}


def commands() -> tuple[str, ...]:
    """Return the names of the program's commands."""
    return tuple(getattr(typer.main.get_command(app), "commands", {}))


def helped(command: str) -> tuple[str, ...]:
    """Return what the help of a command tells of it and of its options."""
    program = typer.main.get_command(app)
    found = getattr(program, "commands", {})[command]
    return (found.help, *(parameter.help or "" for parameter in found.params))


def parse(arguments: list[str]) -> dict[str, object]:
    """Return the values that the program reads from a command and its arguments, without running it.

    Raises:
        typer.TyperException: it does not take them.
    """
    program = typer.main.get_command(app)
    command, *rest = arguments
    return dict(getattr(program, "commands", {})[command].make_context(command, rest).params)
