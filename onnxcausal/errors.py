"""Every error a user can cause, each tied to its exit code.

OnnxCausalError             70  internal, when raised as such
+-- GateError                1  what was to be shown does not hold
+-- ConfigError              2  usage or configuration
|   +-- OutputError          2  the output folder cannot take the result
+-- ModelError               3  model unsupported, broken or unsafe
+-- SamplesError             4  data problem
+-- NothingToAnalyseError    5  nothing to analyse
+-- InterruptedRunError    130  stopped by the user
"""

from collections.abc import Iterable
from functools import partial
from typing import ClassVar

LONGEST_LINE = 2000
"""Letters of a line of an error: names and values that it quotes may have any length."""
NEAR = 0.6
"""Share of letters in common by which a name is near another, as difflib has it."""
MOST_COMPARED = 10**7
"""Letters times letters of names that are compared in full: there may be any number of names, of any length."""


def printable(text: str) -> str:
    """Return the text with everything that is not printable replaced: terminal codes, line breaks, bidi controls.

    Names come from a model or from file names, which may hold anything.

    >>> printable("conv" + chr(27) + "[31m")
    'conv�[31m'
    """
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _in_a_line(text: str) -> str:
    """Return the text as one line of an error, cut where it is longer than anybody reads."""
    return printable(text if len(text) <= LONGEST_LINE else f"{text[:LONGEST_LINE]} ...")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is nearest to one that is not known; None where none of those looked at is near.

    >>> nearest("sampels", ["samples", "seed"]), nearest("x", ["samples"])
    ('samples', None)
    """
    from difflib import SequenceMatcher  # noqa: PLC0415  # of errors alone

    pair = SequenceMatcher()
    pair.set_seq2(name)
    best, compared = (0.0, ""), 0
    for held in known:
        pair.set_seq1(held)
        if pair.real_quick_ratio() < NEAR or pair.quick_ratio() < NEAR:
            continue
        compared += len(name) * len(held)
        if compared > MOST_COMPARED:
            break
        best = max(best, (pair.ratio(), held))
    return best[1] if best[0] >= NEAR else None


class OnnxCausalError(Exception):
    """An error told in four lines: what, where, why, what to do.

    Attributes:
        what: what happened, one sentence.
        where: the op, tensor, file or key concerned.
        why: the reason, as far as it is known.
        remedy: what the reader can do now.
    """

    exit_code: ClassVar[int] = 70

    def __init__(self, what: str, *, where: str, why: str, remedy: str) -> None:
        """Take the four lines; none may be empty."""
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Return how to make the error again in another process."""
        return partial(type(self), where=self.where, why=self.why, remedy=self.remedy), (self.what,)

    def __str__(self) -> str:
        """Return the four lines, as shown on stderr."""
        what, where, why, remedy = map(_in_a_line, (self.what, self.where, self.why, self.remedy))
        return f"error: {what}\n  where: {where}\n  why:   {why}\n  do:    {remedy}"


class GateError(OnnxCausalError):
    """What was to be shown does not hold."""

    exit_code = 1


class ConfigError(OnnxCausalError):
    """A flag, a sidecar key or an argument is wrong."""

    exit_code = 2


class OutputError(ConfigError):
    """The output folder cannot be written or holds another analysis."""


class ModelError(OnnxCausalError):
    """The model file is unsupported, broken or unsafe."""

    exit_code = 3


class SamplesError(OnnxCausalError):
    """The samples cannot be read, do not fit the model or are too few."""

    exit_code = 4


class NothingToAnalyseError(OnnxCausalError):
    """The model is sound but holds nothing the method can intervene on."""

    exit_code = 5


class InterruptedRunError(OnnxCausalError):
    """The user stopped the run."""

    exit_code = 130
