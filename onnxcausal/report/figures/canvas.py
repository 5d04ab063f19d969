"""What the figures share: colours, the canvas, the bytes of a picture."""

import io

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from onnxcausal.causal.significance import Role

COLOURS = {
    Role.NECESSARY: "#c0392b",
    Role.NOISY: "#2471a3",
    Role.MINOR: "#9a9a9a",
    Role.NEUTRAL: "#d9d9d9",
    Role.WEAK: "#c9c9c9",
    Role.DEAD: "#ffffff",
    Role.UNTESTED: "#f2dfa2",
}
DOTS_PER_INCH = 110
LEFT, RIGHT = 3.1, 2.0
"""Room for the names of the layers and for the counts, in inches."""
WIDTH = 11.0
"""Width of a figure, in inches."""


def new_figure(height: float) -> Figure:
    """Return an empty figure of the usual width, `height` in inches."""
    figure = Figure(figsize=(WIDTH, height), dpi=DOTS_PER_INCH)
    FigureCanvasAgg(figure)
    return figure


def to_png(figure: Figure) -> bytes:
    """Return the picture as PNG; the same figure gives the same bytes."""
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()
