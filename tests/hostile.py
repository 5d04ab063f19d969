"""Every file that must not harm who opens it: broken, hostile, or odd but fine."""

from tests.hostile_bombs import BOMBS
from tests.hostile_bytes import DAMAGED, NO_MODELS, VERSIONS
from tests.hostile_data import BY_DATA
from tests.hostile_external import EXTERNAL
from tests.hostile_graphs import GRAPHS
from tests.hostile_names import NAMED
from tests.hostile_parts import HostileFile

__all__ = ["HOSTILE", "HostileFile"]

HOSTILE: tuple[HostileFile, ...] = (*NO_MODELS, *DAMAGED, *VERSIONS, *GRAPHS, *BOMBS, *BY_DATA, *NAMED, *EXTERNAL)
"""All of them; names are unique."""
