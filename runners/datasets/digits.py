"""The digits of scikit-learn: a dataset without download or files."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from runners.datasets import DATASETS, Images


@DATASETS.register("digits")
def digits() -> Images:
    """1,797 handwritten digits of scikit-learn (UCI), 8x8 resized to 28x28; a fifth, stratified, is the test set."""
    from sklearn.datasets import load_digits  # takes a second, with scipy
    from sklearn.model_selection import train_test_split

    table = load_digits()
    grey = torch.from_numpy(table.images).float()[:, None] * (255 / 16)
    large = F.interpolate(grey, size=28, mode="bilinear", align_corners=False)
    images, labels = large.round().clamp(0, 255).to(torch.uint8), torch.from_numpy(table.target).long()
    train, test = train_test_split(np.arange(len(labels)), test_size=0.2, stratify=table.target, random_state=0)
    return Images(images[train], labels[train], images[test], labels[test], classes=10)
