"""The program `onnxcausal` and what it returns to the shell."""

import os
import sys
import traceback
from typing import Annotated

import typer

from onnxcausal.cli.analyze import analyze_command
from onnxcausal.cli.apply import apply_command
from onnxcausal.cli.compare import compare_command
from onnxcausal.cli.compress import compress_command
from onnxcausal.cli.demo import demo_command
from onnxcausal.cli.doctor import doctor_command
from onnxcausal.cli.evaluate import evaluate_command
from onnxcausal.cli.explain import explain_command
from onnxcausal.cli.inspect import inspect_command
from onnxcausal.cli.repair import repair_command
from onnxcausal.cli.report import report_command
from onnxcausal.cli.unmask import unmask_command
from onnxcausal.cli.verify import verify_command
from onnxcausal.errors import ConfigError, InterruptedRunError, OnnxCausalError

app = typer.Typer(
    name="onnxcausal",
    help="Find by intervention which neurons of an ONNX model cause its decisions, with error control.",
    pretty_exceptions_enable=False,
)
app.command("analyze")(analyze_command)
app.command("apply")(apply_command)
app.command("demo")(demo_command)
app.command("compare")(compare_command)
app.command("doctor")(doctor_command)
app.command("compress")(compress_command)
app.command("evaluate")(evaluate_command)
app.command("explain")(explain_command)
app.command("inspect")(inspect_command)
app.command("repair")(repair_command)
app.command("report")(report_command)
app.command("unmask")(unmask_command)
app.command("verify")(verify_command)


@app.callback(invoke_without_command=True)
def program(
    context: typer.Context,
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print versions and execution providers and stop.")
    ] = False,
) -> None:
    """Find by intervention which neurons of an ONNX model cause its decisions, with error control."""
    if version:
        from onnxcausal.pipeline.doctor import versions  # noqa: PLC0415  # --help must not load it

        print(versions(), end="")
    elif context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(ConfigError.exit_code)


def main(arguments: list[str] | None = None) -> None:
    """Run the program and exit with its code: 0 when done, else that of the error (`onnxcausal.errors`)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    try:
        code = app(arguments, standalone_mode=False)
        if code == InterruptedRunError.exit_code:  # Typer's answer to Ctrl-C
            _fail(_interrupted(), debug=debug)
        sys.exit(code)
    except BrokenPipeError:  # the reader of stdout has gone: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        _fail(_interrupted(), debug=debug)
    except typer.TyperException as error:
        _fail(_usage(error), debug=False)
    except OnnxCausalError as error:
        _fail(error, debug=debug)
    except OSError as error:
        _fail(_refused(error), debug=debug)
    except MemoryError as error:
        _fail(_out_of_memory(error), debug=debug)
    except Exception as error:  # noqa: BLE001  # the last resort: no user sees a traceback unasked
        _fail(_internal(error), debug=debug)


def _fail(error: OnnxCausalError, *, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)


def _usage(error: typer.TyperException) -> ConfigError:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "onnxcausal"
    return ConfigError(
        error.format_message().rstrip("."),
        where=command,
        why=" ".join(context.command.get_usage(context).split()) if context is not None else "the arguments do not fit",
        remedy=f"run {command} --help",
    )


def _refused(error: OSError) -> ConfigError:
    return ConfigError(
        "the system refuses access",
        where=str(error.filename or "a file or stream"),
        why=error.strerror or str(error),
        remedy="check that the path is right, that you may read or write it, and that the disk is not full",
    )


def _out_of_memory(error: MemoryError) -> OnnxCausalError:
    return OnnxCausalError(
        "memory ran out",
        where="onnxcausal",
        why=str(error) or "an allocation failed",
        remedy="give a smaller --memory or --samples, or use a machine with more",
    )


def _interrupted() -> InterruptedRunError:
    return InterruptedRunError(
        "interrupted",
        where="onnxcausal",
        why="the run was stopped by Ctrl-C; nothing was written",
        remedy="run the same command again",
    )


def _internal(error: Exception) -> OnnxCausalError:
    return OnnxCausalError(
        f"internal error: {type(error).__name__}",
        where="onnxcausal",
        why=str(error).strip().splitlines()[0] if str(error).strip() else "no message",
        remedy="run again with --debug and report what it prints",
    )
