"""Named seed protocols. A seed depends on the prompt and the sample, never on the method, the worker or the order."""

from __future__ import annotations

from harness.errors import SuiteError

PROTOCOLS = ("index", "vbench-wan", "fixed:N")
MAX_DIGITS = 18
"""Of N; more do not fit into torch's 64 bits."""


def parse_seed_protocol(protocol: str) -> str:
    """The protocol, if it is one of `PROTOCOLS`.

    Raises:
        SuiteError: it is not.
    """
    seed_of(protocol, prompt_index=0, sample_index=0)
    return protocol


def seed_of(protocol: str, *, prompt_index: int, sample_index: int) -> int:
    """The seed of one cell.

    `index`: the sample's index, as VBench's own instructions have it. `vbench-wan`: 100000 x prompt + sample, so that
    no two videos share noise. `fixed:N`: always N.

    Raises:
        SuiteError: the protocol is unknown.
    """
    if protocol == "index":
        return sample_index
    if protocol == "vbench-wan":
        return 100_000 * prompt_index + sample_index
    name, _, number = protocol.partition(":")
    if name == "fixed" and number.isdecimal() and len(number) <= MAX_DIGITS:
        return int(number)
    raise SuiteError(f"seeds is {protocol!r}; use one of {', '.join(PROTOCOLS)}, e.g. fixed:42")
