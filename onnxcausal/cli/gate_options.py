"""The options of gates, said once for the commands that have them."""

from pathlib import Path
from typing import Annotated

import typer

GATES = "Gates"
FailOn = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CONDITION",
        help="Exit with 1 if it holds, like 'noisy_share > 0.3'; repeat for several.",
        rich_help_panel=GATES,
    ),
]
Baseline = Annotated[
    Path | None,
    typer.Option(help="Analysis of a good model to compare with: a folder, or a .json file.", rich_help_panel=GATES),
]
UpdateBaseline = Annotated[
    bool, typer.Option("--update-baseline", help="Make this analysis the baseline.", rich_help_panel=GATES)
]
BaselineMargin = Annotated[
    float | None,
    typer.Option(
        "--margin", min=0, help="Difference from it that does not matter, in sd of the outcome.", rich_help_panel=GATES
    ),
]
RequireClasses = Annotated[
    str | None,
    typer.Option(
        metavar="all|data|CLASS,...",
        help="Classes that must have a graph: those of --target, else all of the model.",
        rich_help_panel=GATES,
    ),
]
EvaluationFolder = Annotated[
    Path | None, typer.Option("--evaluation", help="Folder of evaluations for gates.", rich_help_panel=GATES)
]
