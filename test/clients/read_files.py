"""Reads exported volumes with readers of other people's, and tells what they got.

    python3 test/clients/read_files.py < jobs.json

jobs.json: a list of {"reader", "file"}. Prints a list of {"dtype", "shape" [x, y, z], "crc32" of all voxels, x fastest, little-endian}, or
{"error"}, in the same order.
"""
import json
import sys
import zlib

import numpy as np


def by_h5py(file):
    import h5py

    with h5py.File(file, "r") as opened:
        return opened["main"][:]


def by_tifffile(file):
    import tifffile

    return tifffile.imread(file)


def by_numpy(file):
    return np.load(file)


def by_zarr(file):
    import zarr

    opened = zarr.open(file, mode="r")
    return opened["0"][:] if isinstance(opened, zarr.Group) else opened[:]


def by_tensorstore(file):
    import tensorstore as ts

    spec = {"driver": "neuroglancer_precomputed", "kvstore": {"driver": "file", "path": f"{file}/"}}
    return ts.open(spec).result()[:, :, :, 0].read().result().T


def by_cloudvolume(file):
    from cloudvolume import CloudVolume

    return np.asarray(CloudVolume(f"file://{file}", progress=False)[:])[:, :, :, 0].T


READERS = {
    "h5py": by_h5py,
    "tifffile": by_tifffile,
    "numpy": by_numpy,
    "zarr-python": by_zarr,
    "tensorstore": by_tensorstore,
    "cloudvolume": by_cloudvolume,
}


def answer(job):
    try:
        array = READERS[job["reader"]](job["file"])
        voxels = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
        return {"dtype": str(voxels.dtype), "shape": list(voxels.shape[::-1]), "crc32": zlib.crc32(voxels.tobytes())}
    except Exception as error:  # whatever the reader says is wrong
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    print(json.dumps([answer(job) for job in json.load(sys.stdin)]))
