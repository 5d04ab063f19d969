"""Roles of which one says less than the other."""

import pytest

from onnxcausal.analysis.comparing.changes import differ
from onnxcausal.causal.significance import Role


@pytest.mark.parametrize("role", [Role.MINOR, Role.NEUTRAL])
def test_a_weak_node_may_be_minor_or_neutral(role: Role) -> None:
    assert not differ(Role.WEAK, role)
    assert not differ(role, Role.WEAK)
    assert not differ(role, role)


@pytest.mark.parametrize("role", [Role.NECESSARY, Role.NOISY, Role.DEAD, Role.UNTESTED])
def test_it_is_nothing_else(role: Role) -> None:
    assert differ(Role.WEAK, role)
    assert differ(role, Role.WEAK)
    assert differ(Role.MINOR, Role.NEUTRAL)
