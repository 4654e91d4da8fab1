"""Which cached modules stand for all that is computed, where one of them is fed by others."""

from __future__ import annotations

from collections.abc import Sequence

from methods.families.base import CachedModule


def outermost(modules: Sequence[CachedModule]) -> list[CachedModule]:
    """The modules that feed no other one of `modules`.

    A method that replaces every module's output replaces these and passes over what feeds them: the output of an
    attention that only a fused projection reads is not needed where that projection's own is known.
    """
    feeding = {id(feed) for one in modules for feed in one.feeds}
    return [one for one in modules if id(one.module) not in feeding]
