"""Imagenette, a small ImageNet."""

from __future__ import annotations

from runners.datasets import DATASETS, Folders
from runners.datasets.folders import Layout, read

IMAGENETTE = Layout(
    name="imagenette",
    folders=("imagenette2-320", "imagenette2", "imagenette2-160"),
    classes=10,
    train_images=9_469,
    test_images=3_925,
    source=(
        "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz (md5 3df6f0d01a2c9592104656642f5e78a3; "
        "imagenette2.tgz and imagenette2-160.tgz will do)"
    ),
)


@DATASETS.register("imagenette")
def imagenette() -> Folders:
    """Imagenette: 9,469 + 3,925 photographs in 10 easy classes of ImageNet, seen at 224 (Howard 2019, version 2).

    It is published in three resolutions with different pixels: the version of 320 pixels is preferred, then the full
    one, then that of 160 pixels. Its folder val is the test set here.
    """
    return read(IMAGENETTE, size=224)
