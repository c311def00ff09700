"""Write a network as an ONNX file, checked by ONNX Runtime. Needs the packages of the extra `onnx`."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from results.errors import NotExported

TOLERANCE = 1e-4
PACKAGES = ("onnx", "onnxruntime", "onnxscript")
OPSET = 18  # the opset of torch's exporter, so that nothing is converted
BATCHES = (1, 5)


def missing() -> list[str]:
    """Return the required packages that are not installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def write(network: nn.Module, images: Tensor, path: Path) -> float:
    """Write a network on the CPU, with a variable batch size; return the largest absolute difference of its outputs.

    images: at least 2, float32 (n, channels, size, size), to trace with and to compare ONNX Runtime with torch on, in
    batches of 1 and 5. Raises NotExported if the difference exceeds 1e-4, or torch cannot export the network.
    """
    network.eval()
    try:
        _export(network, images, path)
    except Exception as error:  # the exporter may raise anything
        reason = " ".join(str(error).split())[:200]
        raise NotExported(f"torch cannot export this network to ONNX: {type(error).__name__}: {reason}") from error
    largest = max(_difference(network, images[:n], path) for n in BATCHES)
    if not largest <= TOLERANCE:
        raise NotExported(f"ONNX Runtime and torch differ by {largest:.2g}, more than {TOLERANCE:g}")
    return largest


def _export(network: nn.Module, images: Tensor, path: Path) -> None:
    import onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings of torch about itself
        torch.onnx.export(
            network,
            (images[:2],),  # a batch size of 1 would be taken for a constant
            str(path),
            input_names=["images"],
            output_names=["scores"],
            opset_version=OPSET,
            dynamo=True,  # the other exporter is deprecated
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
            verbose=False,
        )
    onnx.checker.check_model(str(path), full_check=True)


def _difference(network: nn.Module, images: Tensor, path: Path) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = network(images)
    found = torch.from_numpy(session.run(None, {"images": images.numpy()})[0])
    return float((found - expected).abs().max())
