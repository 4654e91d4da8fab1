"""Scores videos with VBench's own models and transforms, in the environment that holds VBench 0.1.5.

Run as `python -m vbench_scorer`; `protocol` says what it reads and writes. It downloads nothing: weights are where
`harness doctor` says that they must be.
"""
