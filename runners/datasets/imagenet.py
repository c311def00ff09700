"""ImageNet, in the layout of PyTorch's examples."""

from __future__ import annotations

from runners.datasets import DATASETS, Folders
from runners.datasets.folders import Layout, read

IMAGENET = Layout(
    name="imagenet",
    folders=("imagenet",),
    classes=1_000,
    train_images=1_281_167,
    test_images=50_000,
    source=(
        "ILSVRC2012_img_train.tar (md5 1d675b47d978889d74fa0da5fadfb00e) and ILSVRC2012_img_val.tar "
        "(md5 29b22e2961454d5413ddabcf34fc5622) of https://image-net.org, sorted into train/WNID and val/WNID"
    ),
)


@DATASETS.register("imagenet")
def imagenet() -> Folders:
    """ImageNet, ILSVRC 2012: 1,281,167 + 50,000 photographs in 1,000 classes, seen at 224 (Russakovsky et al. 2015).

    The labels of the official test set are not public. As in the literature, the official validation set is the test
    set here; validation images are split off the training set, as for every dataset. Classes are in the order of their
    WordNet ids, as are the outputs of published networks.
    """
    return read(IMAGENET, size=224)
