"""The benchmarks: this package beside its peers, in one run, as ratios.

A suite is a file with one registration function. Start them with ``scripts/bench``.
"""
