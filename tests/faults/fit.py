"""Trains from Python, as a notebook does: python tests/faults/fit.py DATA WORKDIR SETTINGS."""

import json
import sys

import symcere_jax as sj

if __name__ == "__main__":
    data, workdir, settings = sys.argv[1:]
    sj.fit(data, workdir, progress=False, **json.loads(settings))
