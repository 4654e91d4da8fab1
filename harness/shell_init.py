"""`ray submit suites/x.yaml`, as people write it: a shell function for those who ask for it.

Ray's own `ray submit` wants a cluster's file and a script. The function sends exactly `ray submit FILE.yaml` with
nothing after it, where the file has a suite's top-level keys `models` and `methods`, to `harness submit`; everything
else goes to Ray untouched. Ray's schema of a cluster's file allows neither key, so no file can be meant both ways.
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

import psutil  # type: ignore[import-untyped]


class Shell(StrEnum):
    """Whose language the function is written in."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


_POSIX = r"""function ray {
  if [ "$#" -eq 2 ] && [ "$1" = submit ] && [ -f "$2" ] && case "$2" in *.yaml | *.yml) true ;; *) false ;; esac \
    && command grep -q '^models:' "$2" && command grep -q '^methods:' "$2"; then
    command harness submit "$2"
  else
    command ray "$@"
  fi
}
"""

_FISH = r"""function ray --wraps ray
  if test (count $argv) -eq 2; and test "$argv[1]" = submit; and test -f "$argv[2]"
    and string match -q -r '\.ya?ml$' -- "$argv[2]"
    and command grep -q '^models:' "$argv[2]"; and command grep -q '^methods:' "$argv[2]"
    command harness submit "$argv[2]"
  else
    command ray $argv
  end
end
"""


def function_for(shell: Shell) -> str:
    """The function, to be evaluated by this shell."""
    return _FISH if shell is Shell.FISH else _POSIX


def calling_shell() -> Shell:
    """The shell that this process was started from, else that of $SHELL, else bash, whose function most others read."""
    known = {shell.value: shell for shell in Shell}
    for process in psutil.Process().parents():
        if (name := process.name().lstrip("-")) in known:
            return known[name]
    return known.get(Path(os.environ.get("SHELL", "")).name, Shell.BASH)
