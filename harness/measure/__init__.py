"""Instruments: latency, memory, FLOPs."""
