"""Reads boxes of volumes with clients of other people's, and tells what they got.

    python3 test/clients/read_boxes.py < jobs.json

jobs.json: a list of {"client", "format", "url", "mip", "box": [x0, y0, z0, x1, y1, z1]}. Prints a list of
{"dtype", "bounds": [x0, y0, z0, x1, y1, z1] of the whole level, "crc32" of the box's voxels, x fastest, little-endian}, or
{"error"}, in the same order. Boxes count from the volume's first voxel in Zarr, which has no offset.
"""
import json
import sys
import zlib

import numpy as np


def told(array, bounds, order):
    """What is told of a box; `order` is the one in which the array's axes make x run fastest."""
    voxels = np.asarray(array)
    voxels = voxels.astype(voxels.dtype.newbyteorder("<"), copy=False)
    return {
        "dtype": str(voxels.dtype),
        "bounds": [int(n) for n in bounds],
        "crc32": zlib.crc32(voxels.tobytes(order=order)),
    }


def by_tensorstore(format, url, mip, box):
    import tensorstore as ts

    x0, y0, z0, x1, y1, z1 = box
    if format == "precomputed":
        store = ts.open(
            {
                "driver": "neuroglancer_precomputed",
                "kvstore": {"driver": "http", "base_url": url},
                "scale_index": mip,
            }
        ).result()
        volume = store[:, :, :, 0]
        low, high = volume.domain.inclusive_min, volume.domain.exclusive_max
        return told(volume[x0:x1, y0:y1, z0:z1].read().result(), [*low, *high], "F")
    driver = {"zarr": "zarr3", "zarr2": "zarr"}[format]
    store = ts.open({"driver": driver, "kvstore": {"driver": "http", "base_url": f"{url}/{mip}/"}}).result()
    z, y, x = store.shape
    return told(store[z0:z1, y0:y1, x0:x1].read().result(), [0, 0, 0, x, y, z], "C")


def by_cloudvolume(format, url, mip, box):
    from cloudvolume import CloudVolume

    prefix = {"precomputed": "precomputed", "zarr": "zarr3", "zarr2": "zarr2"}[format]
    volume = CloudVolume(f"{prefix}://{url}", mip=mip, progress=False, cache=False, fill_missing=format != "precomputed")
    x0, y0, z0, x1, y1, z1 = box
    bounds = volume.bounds
    voxels = np.asarray(volume[x0:x1, y0:y1, z0:z1])
    return told(voxels[:, :, :, 0], [*bounds.minpt, *bounds.maxpt], "F")


def by_zarr(format, url, mip, box):
    import zarr

    group = zarr.open_group(url, mode="r", zarr_format={"zarr": 3, "zarr2": 2}[format])
    array = group[str(mip)]
    z, y, x = array.shape
    x0, y0, z0, x1, y1, z1 = box
    return told(array[z0:z1, y0:y1, x0:x1], [0, 0, 0, x, y, z], "C")


def by_ome_zarr(format, url, mip, box):
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Multiscales, Reader

    location = parse_url(url, mode="r")
    node = next(node for node in Reader(location)() if node.first(Multiscales) is not None)
    axes = [axis["name"] for axis in node.metadata["axes"]]
    if axes != ["z", "y", "x"]:
        raise ValueError(f"axes are {axes}")
    array = node.data[mip]
    z, y, x = array.shape
    x0, y0, z0, x1, y1, z1 = box
    return told(array[z0:z1, y0:y1, x0:x1].compute(), [0, 0, 0, x, y, z], "C")


CLIENTS = {
    "tensorstore": by_tensorstore,
    "cloudvolume": by_cloudvolume,
    "zarr-python": by_zarr,
    "ome-zarr-py": by_ome_zarr,
}


def answer(job):
    try:
        return CLIENTS[job.pop("client")](**job)
    except Exception as error:  # whatever the client says is wrong
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    print(json.dumps([answer(job) for job in json.load(sys.stdin)]))
