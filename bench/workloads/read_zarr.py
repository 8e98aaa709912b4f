"""Reads a whole Zarr v3 array over HTTP with TensorStore, again and again, without its cache; prints bytes a second.

    python3 read_zarr.py URL SECONDS CRC32

CRC32: of the array's bytes, x fastest; the first reading is compared with it.
"""
import sys
import time
import zlib

import tensorstore as ts

url, seconds, crc32 = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
store = ts.open({"driver": "zarr3", "kvstore": {"driver": "http", "base_url": url}}).result()
if zlib.crc32(store.read().result().tobytes()) != crc32:
    sys.exit("the array holds other bytes")
count, start = 0, time.perf_counter()
while time.perf_counter() - start < seconds:
    count += store.read().result().nbytes
print(count / (time.perf_counter() - start))
