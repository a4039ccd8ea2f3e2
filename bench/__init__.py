"""Benchmarks of cmpd, each in turn with a yardstick where there is one: `python3 -m bench --help`."""
