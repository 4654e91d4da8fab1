"""What methods need to know of a model before they can run on it: `harness calibrate METHOD SUITE`.

A module named like a method is that method's calibration, found by its file name. `base.py` has the protocol, `run.py`
makes the videos, `calibration.py` is the file that comes of it and `use.py` what a suite does with that.
"""
