"""The few hooks all methods share, over diffusers' `HookRegistry` and `ModelHook`.

A method is a pure rule (when to compute) plus a subclass of `AppliedHooks` that wires the rule to these hooks:

* the root hook, one per transformer, begins and ends every call and may replace it whole (`run_call`);
* `attach_block_range` replaces what a run of consecutive blocks does;
* `attach_module_cache` replaces the output of one attention or feed-forward module;
* `attach_signal` hands a tensor to the method before the first block runs.

Every module stays in its place, because some architectures reach into them. Everything cached lives in one
`TensorStore`, so that what a method holds can be measured.
"""

from methods.hooks.applied import ROOT_HOOK, AppliedHooks
from methods.hooks.controller import Call, Controller
from methods.hooks.store import TensorStore

__all__ = ["ROOT_HOOK", "AppliedHooks", "Call", "Controller", "TensorStore"]
