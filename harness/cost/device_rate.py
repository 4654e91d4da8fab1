"""How many floating-point operations a second a device does while it denoises."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import StoreError
from harness.records import CellRecord
from harness.store import Store


@dataclass(frozen=True)
class DeviceRate:
    """Operations a second, and where that is from."""

    flops_per_s: float
    source: str


def given_rate(tflops: float) -> DeviceRate:
    """A rate in 10^12 operations a second, of denoising as it really goes and not of the device's data sheet."""
    return DeviceRate(tflops * 1e12, "given")


def measured_rate(store: Store) -> DeviceRate:
    """Denoiser operations over denoising seconds of the originals' videos in a store, or of all where there is none.

    Originals, since methods that skip work also keep the device less busy.

    Raises:
        StoreError: no video in it says how long it took.
    """
    timed = [
        record
        for record in store.cells(sorted(store.cell_ids())).values()
        if record.latency is not None and record.flops is not None and record.latency.denoise_s > 0
    ]
    originals = [record for record in timed if record.key.method == "original"]
    used = originals or timed
    if not used:
        raise StoreError(f"store {store.root!r} has no timed video; `harness run` a suite first, or give --device-rate")
    names = sorted({_device(record) for record in used})
    if len(names) > 1:
        raise StoreError(f"store {store.root!r} was made on {', '.join(names)}; give --device-rate instead")
    flops = sum(record.flops.denoiser for record in used if record.flops is not None)
    seconds = sum(record.latency.denoise_s for record in used if record.latency is not None)
    what = "originals" if originals else "videos"
    return DeviceRate(flops / seconds, f"{len(used)} {what} on {names[0]}")


def _device(record: CellRecord) -> str:
    environment = record.environment or {}
    return str(environment.get("device_name") or "an unnamed device")
