"""Reads a whole Zarr v3 array over HTTP with TensorStore, again and again, without its cache; prints bytes a second.

    python3 read_zarr.py URL SECONDS
"""
import sys
import time

import tensorstore as ts

url, seconds = sys.argv[1], float(sys.argv[2])
store = ts.open({"driver": "zarr3", "kvstore": {"driver": "http", "base_url": url}}).result()
store.read().result()
count, start = 0, time.perf_counter()
while time.perf_counter() - start < seconds:
    count += store.read().result().nbytes
print(count / (time.perf_counter() - start))
