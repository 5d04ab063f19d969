"""Every file that must not harm who opens it: broken, hostile, or odd but fine."""

from tests.support.hostile_bombs import BOMBS
from tests.support.hostile_bytes import DAMAGED, NO_MODELS, VERSIONS
from tests.support.hostile_data import BY_DATA
from tests.support.hostile_external import EXTERNAL
from tests.support.hostile_graphs import GRAPHS
from tests.support.hostile_names import NAMED
from tests.support.hostile_parts import HostileFile

__all__ = ["HOSTILE", "HostileFile"]

HOSTILE: tuple[HostileFile, ...] = (*NO_MODELS, *DAMAGED, *VERSIONS, *GRAPHS, *BOMBS, *BY_DATA, *NAMED, *EXTERNAL)
"""All of them; names are unique."""
