"""Copies a Zarr array into a precomputed volume and makes its coarser levels. Arguments: the array's folder, the target's."""
import sys

import tensorstore as ts

source_folder, target = sys.argv[1:3]
context = ts.Context({"data_copy_concurrency": {"limit": "shared"}, "cache_pool": {"total_bytes_limit": 268435456}})
source = ts.open({"driver": "zarr", "kvstore": {"driver": "file", "path": source_folder}}, context=context).result()
# zarr says z, y, x; precomputed x, y, z, channel.
level = source.transpose([2, 1, 0])
resolution = 8
side = level.shape[0]
index = 0
while True:
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": target + "/precomputed/"},
        "multiscale_metadata": {"type": "image", "data_type": "uint8", "num_channels": 1},
        "scale_metadata": {
            "size": list(level.shape[:3]),
            "resolution": [resolution] * 3,
            "chunk_size": [64, 64, 64],
            "encoding": "raw",
        },
        "create": True,
        "open": True,
    }
    written = ts.open(spec, context=context).result()
    written[..., 0].write(level).result()
    if side <= 64:
        break
    coarser = ts.downsample(written[..., 0], [2, 2, 2], "mean")
    level, side, resolution, index = coarser, side // 2, resolution * 2, index + 1
