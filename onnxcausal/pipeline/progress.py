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

    def done(self, interventions: int) -> None:
        """Report that so many more interventions are finished."""
        ...

    def skip(self, interventions: int) -> None:
        """Report that so many interventions turned out not to be needed."""
        ...


class Silent:
    """Says nothing."""

    def begin(self, interventions: int) -> None:
        """Ignore the job."""

    def target(self, title: str) -> None:
        """Ignore the class."""

    def layer(self, name: str) -> None:
        """Ignore the layer."""

    def done(self, interventions: int) -> None:
        """Ignore the count."""

    def skip(self, interventions: int) -> None:
        """Ignore the count."""
