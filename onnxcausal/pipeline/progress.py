"""What a running job tells whoever watches it."""

from typing import Protocol


class Progress(Protocol):
    """Receives the steps of a job."""

    def begin(self, interventions: int) -> None:
        """Begin the job, of so many interventions at most."""
        ...

    def target(self, title: str) -> None:
        """Begin a class."""
        ...

    def layer(self, name: str) -> None:
        """Begin a layer."""
        ...

    def done(self, interventions: float) -> None:
        """Report that so many more interventions are finished; parts of one count too."""
        ...

    def skip(self, interventions: float) -> None:
        """Report that so many interventions need not be made, or were made before."""
        ...

    def note(self, text: str) -> None:
        """Say something that concerns this run alone, not its result."""
        ...


class Silent:
    """Says nothing."""

    def begin(self, interventions: int) -> None:
        """Ignore the job."""

    def target(self, title: str) -> None:
        """Ignore the class."""

    def layer(self, name: str) -> None:
        """Ignore the layer."""

    def done(self, interventions: float) -> None:
        """Ignore the count."""

    def skip(self, interventions: float) -> None:
        """Ignore the count."""

    def note(self, text: str) -> None:
        """Ignore it."""
