"""Prune networks of others, of torchvision and timm, and compare how much of each is gone with torch-pruning.

    python -m tests.benchmarks.bench_networks [NAME ...] [--groupings [filter] [coupled]] [--keep K] [--out CSV]
        [--limit SECONDS] [--torch-pruning CSV] [--no-torch-pruning] [--again]

Random groups of every layer are kept, of networks with random weights (`tests.benchmarks.random_networks`). Every
network and grouping is a process of its own, of one thread, ended after --limit; its row is appended to --out as it
comes, and is not computed again but with --again. torch-pruning prunes by its BasePruner with random importance, at the
same ratio in every layer, once for a network; its rows are kept in the CSV of --torch-pruning (default: beside --out),
and computed where they are missing but with --no-torch-pruning. `--groupings` without a name computes these alone.
Prints the rows, then sums by library and grouping.

status: ok, `masked` (right, but nothing was removed), `wrong` (another output than with zeros in place), skipped (the
grouping does not apply), error, timeout. removed_share: of the groups that are zero, those really removed. macs_kept:
multiply-adds compact / dense. macs_kept_alike: the same of `filter` if layers that are added up lose the same filters,
as those of torch-pruning do; shifted_sums: whether such a sum depends on parameters of no filter, such as those of a
layer norm or a depthwise convolution behind it, which make values of its zeros. difference: the largest of an output,
right up to 1e-4 (1 + the largest output), in float64 where it is more in float32, as a random network may make much of
rounding; relative: the same / the largest output; spread: the same between two images (near 0, agreement would say
little).
"""

import argparse
import contextlib
import copy
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from methods.groups import Budget, Groups, NothingToDivide
from results.errors import Untraceable
from runners.measurement import count_macs, count_parameters
from runners.networks.architectures import ARCHITECTURES, resolution
from runners.networks.compaction import Realised, realise
from runners.networks.comparison import agreement
from runners.networks.graph.structure import structure_of
from runners.networks.groupings import GROUPINGS
from tests.benchmarks.random_networks import built, spread, standardise

CLASSES = 1000
THEIRS = "torch_pruning"  # in the place of a grouping
ROOT = Path(__file__).parents[2]
AS_SMALL = {"coupled": 1.1, "filter": 1.3}  # at most so many times the multiply-adds of torch-pruning's network
COLUMNS = [
    *("network", "params", "grouping", "status", "zero_groups", "removed_share", "macs_kept", "macs_kept_alike"),
    *(
        "shifted_sums",
        "torch_pruning_macs_kept",
        "difference",
        "relative",
        "spread",
        "seconds_group",
        "seconds_realise",
        "reason",
    ),
    "torch_pruning_reason",
]
THEIR_COLUMNS = ["network", "torch_pruning_macs_kept", "torch_pruning_reason", "seconds"]
TIMM = (
    *("vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "mobilevit_xxs", "res2net50_26w_4s", "ghostnet_100"),
    *("convnextv2_atto", "efficientvit_b0", "hgnetv2_b0", "repvgg_a0", "xcit_nano_12_p16_224", "nf_resnet50"),
    *("twins_svt_small", "hrnet_w18_small", "resnest14d", "mobilenetv4_conv_small", "tiny_vit_5m_224", "cspresnet50"),
    *("deit_tiny_distilled_patch16_224", "mixer_s32_224", "resmlp_12_224", "gmlp_ti16_224", "dla34", "dpn68"),
    *("efficientnet_b0", "mixnet_s", "regnety_002", "resnetv2_50d_gn", "selecsls42", "skresnet18", "ese_vovnet19b_dw"),
    *("edgenext_xx_small", "poolformer_s12", "starnet_s1", "levit_128s", "coat_lite_tiny", "pit_ti_224"),
    *("mobileone_s0", "fastvit_t8", "rexnet_100", "visformer_tiny"),
)
Row = dict[str, Any]


def names() -> list[str]:
    """All classification networks of torchvision, and those of timm above."""
    from runners.vision import torchvision

    listed = torchvision.models.list_models(module=torchvision.models)
    return [*(f"torchvision/{n}" for n in listed), *(f"timm/{n}" for n in TIMM)]


def macs(network: nn.Module, example: Tensor) -> int | None:
    """Count multiply-adds without computing anything, on the device meta; where that cannot be, for real."""
    tensors = [*network.parameters(), *network.buffers()]
    memo = {id(t): nn.Parameter(t.to("meta")) if isinstance(t, nn.Parameter) else t.to("meta") for t in tensors}
    try:
        return count_macs(copy.deepcopy(network, memo), example.to("meta"))
    except Exception:  # a tensor outside the state, a branch on values: anything
        return count_macs(network, example)


def ratio(after: int | None, before: int | None) -> float | None:
    return after / before if after is not None and before else None


def removed_share(masks: Sequence[Tensor], realised: Realised) -> float | None:
    """Return the share of the groups at zero that are really gone; None where none is at zero."""
    zero = sum(int((~mask).sum()) for mask in masks)
    return sum(int(r.sum()) for r in realised.removed) / zero if zero else None


@torch.no_grad()
def prune(row: Row, name: str, grouping: str, keep: float) -> None:
    """Fill the row of a network pruned as klevel does. Raises whatever klevel raises."""
    network, images = built(name, CLASSES)
    row["params"] = count_parameters(network)
    dense = macs(network, images)
    begin = time.perf_counter()
    try:
        with torch.enable_grad():
            groups = GROUPINGS[grouping](network, images)
    except (NothingToDivide, Untraceable) as error:
        row |= {"status": "skipped", "reason": str(error)}
        return
    row["seconds_group"] = time.perf_counter() - begin
    before = [p.clone() for p in network.parameters()] if grouping == "filter" else []
    chance = torch.Generator().manual_seed(1)
    scores = [torch.rand(f.shape, generator=chance) for f in groups]
    realised = realise_at(row, network, groups, grouping, images, scores, keep)
    row["status"] = "masked" if realised.realisation == "masked" else "ok"
    row["macs_kept"] = ratio(macs(realised.network, images), dense)
    row["reason"] = realised.reason
    if before:
        row["shifted_sums"] = shifted_sums(network, groups, images)
        for parameter, value in zip(network.parameters(), before, strict=True):
            parameter.copy_(value)
        scores = alike(network, groups, images, chance)
        realised = realise_at({}, network, groups, grouping, images, scores, keep)
        row["macs_kept_alike"] = ratio(macs(realised.network, images), dense)


def realise_at(
    row: Row, network: nn.Module, groups: Groups, grouping: str, images: Tensor, scores: list[Tensor], keep: float
) -> Realised:
    """Set all but the best groups to zero, realise it, and fill in how that went. Raises ValueError if it is wrong."""
    masks = Budget.of(groups, keep, "layer").select(scores)
    groups.scale_(masks)
    standardise(network, images)
    begin = time.perf_counter()
    with torch.enable_grad():
        realised = realise(network, groups, masks, grouping, images)
    row["seconds_realise"] = time.perf_counter() - begin
    outputs = network.eval()(images)
    if not outputs.isfinite().all():
        raise ValueError("with zeros in place, outputs are not finite")
    found = agreement(network, realised.network, images)
    row |= {"difference": found.largest, "relative": found.largest / float(outputs.abs().max())}
    row["spread"] = spread(outputs)
    row["zero_groups"] = sum(int((~mask).sum()) for mask in masks)
    row["removed_share"] = removed_share(masks, realised)
    if not found.ok:
        raise Wrong(f"the compact network is off by {found.largest:.2g}")
    return realised


class Wrong(Exception):
    """A compact network computes something else than the one with zeros in place."""


def shifted_sums(network: nn.Module, groups: Groups, images: Tensor) -> bool:
    """Return whether channels that several layers make depend on parameters that belong to no group."""
    structure = structure_of(network, images)
    names = {id(p): n for n, p in network.named_parameters()}
    free = structure.members & structure.divisible[structure.channels.all]
    for member in (m for family in groups for m in family.parts):
        labels = structure.labels.ranges[names[id(member.parameter)], member.dims[0]].labels
        free[labels if member.places is None else labels[member.places]] = False
    sums = structure.channels.sums
    makers = torch.stack([sums[structure.made], structure.range_of[structure.made]]).unique(dim=1)[0]
    several = makers.bincount(minlength=int(sums.max()) + 1) > 1
    return bool(several[sums[free]].any())


def alike(network: nn.Module, groups: Groups, images: Tensor, chance: torch.Generator) -> list[Tensor]:
    """Return random scores that are the same for filters whose outputs are added up."""
    structure = structure_of(network, images)
    channels = structure.channels.coupled
    values = torch.rand(int(channels.max()) + 1, generator=chance)
    names = {id(p): n for n, p in network.named_parameters()}
    scores = []
    for family in groups:
        first = family.parts[0]
        labels = structure.labels.ranges[names[id(first.parameter)], first.dims[0]].labels
        own = labels if first.places is None else labels[first.places.reshape(len(first.places), -1)[:, 0]]
        scores.append(values[channels[own]].reshape(family.shape))
    return scores


def prune_by_torch_pruning(row: Row, name: str, keep: float) -> None:
    """Fill the row of a network pruned as torch-pruning's examples do, but at random. Raises whatever it raises.

    As there, it is told the heads of attention, and these layers are told their new widths; so is torchvision's ViT.
    """
    import torch_pruning

    os.environ["TIMM_FUSED_ATTN"] = "0"
    torch.manual_seed(0)
    size = resolution(name) or 224
    network, example = ARCHITECTURES[name](3, size, CLASSES).eval(), torch.randn(1, 3, size, size)
    dense = macs(network, example)
    layers = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    attention: list[Any] = [m for m in network.modules() if hasattr(m, "num_heads") and getattr(m, "qkv", 0) in layers]
    vit: Any = network if type(network).__module__ == "torchvision.models.vision_transformer" else None
    pruner = torch_pruning.pruner.BasePruner(
        network,
        example,
        importance=torch_pruning.importance.RandomImportance(),
        pruning_ratio=1 - keep,
        ignored_layers=[layer for layer in layers if len(layer.weight) == CLASSES],
        global_pruning=False,
        num_heads={m.qkv: m.num_heads for m in attention},
        round_to=vit.encoder.layers[0].num_heads if vit else None,
    )
    pruner.step()
    for module in attention:
        module.num_heads = pruner.num_heads[module.qkv]
        module.attn_dim = len(module.qkv.weight) // 3
        module.head_dim = module.attn_dim // module.num_heads
    if vit:
        vit.hidden_dim = vit.conv_proj.out_channels
    with torch.no_grad():
        network.eval()(example)
    row["torch_pruning_macs_kept"] = ratio(macs(network, example), dense)


def one(name: str, grouping: str, keep: float) -> None:
    """Print the cells of one row as JSON: the whole of a process."""
    with contextlib.suppress(OSError):  # where memory runs out, this process is the one to end
        Path("/proc/self/oom_score_adj").write_text("1000")
    row: Row = {}
    try:
        prune_by_torch_pruning(row, name, keep) if grouping == THEIRS else prune(row, name, grouping, keep)
    except Wrong as error:
        row |= {"status": "wrong", "reason": str(error)}
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}:{last.lineno}"
        row |= {"status": "error", "reason": f"{type(error).__name__} in {place}: {error}"}
    print("\n" + json.dumps(row))


def in_process(name: str, grouping: str, keep: float, limit: float) -> Row:
    """Return the row of a network and a grouping, computed by another process within the limit in seconds."""
    arguments = [name, "--groupings", grouping, "--keep", str(keep), "--one"]
    command = [sys.executable, "-m", "tests.benchmarks.bench_networks", *arguments]
    environment = {"OMP_NUM_THREADS": "1"} | os.environ
    begin = time.perf_counter()
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, timeout=limit, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        row: Row = {"status": "timeout", "reason": f"more than {limit:g} s"}
    else:
        last, said = (text.strip().split("\n")[-1] for text in (done.stdout, done.stderr))
        ended = {"status": "error", "reason": f"exit code {done.returncode}: {said}"}
        row = json.loads(last) if done.returncode == 0 and last.startswith("{") else ended
    row["reason"] = " ".join((row.get("reason") or "").split())[:200]
    if grouping == THEIRS:
        row |= {"torch_pruning_reason": row["reason"], "seconds": round(time.perf_counter() - begin, 1)}
    return row | {"network": name, "grouping": grouping}


def read(file: Path, columns: list[str], keys: list[str]) -> pd.DataFrame:
    """Return the rows of a CSV, of equal ones the last; none if it is not there."""
    if not file.is_file():
        return pd.DataFrame(columns=columns)
    return pd.read_csv(file).drop_duplicates(keys, keep="last").set_index(keys, drop=False)


def append(file: Path, row: Row, columns: list[str]) -> None:
    """Add a row to a CSV."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame([row], columns=columns).to_csv(file, mode="a", header=not file.is_file(), index=False)


def _cell(value: Any) -> str:
    if value is None or value == "" or value != value:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) and value < 1000 else str(value).removesuffix(".0")


def sums(table: pd.DataFrame) -> pd.DataFrame:
    """Count what became of the networks, by library and grouping."""
    found: list[Row] = []
    for (library, grouping), rows in table.groupby([table["network"].str.partition("/")[0], "grouping"]):
        ok, theirs = rows["status"] == "ok", rows["torch_pruning_macs_kept"].notna()
        both = rows[rows["status"].isin(["ok", "masked"]) & theirs]
        limit = AS_SMALL.get(str(grouping), 1.1)
        kept = both["macs_kept_alike"].fillna(both["macs_kept"])
        as_small = (kept <= limit * both["torch_pruning_macs_kept"])[both["shifted_sums"] != True]  # noqa: E712 - or NaN
        row: Row = {"library": library, "grouping": grouping, "n": len(rows), "ok": ok.sum()}
        row["really smaller"] = (ok & (rows["macs_kept"] < 1)).sum()
        row |= {s: (rows["status"] == s).sum() for s in ("masked", "wrong", "skipped", "error", "timeout")}
        row |= {"torch-pruning": theirs.sum(), "both": len(both), "compared": len(as_small)}
        row["as small"] = f"{as_small.mean():.0%} (<= {limit} times)" if len(as_small) else ""
        seconds = (rows["seconds_group"] + rows["seconds_realise"]).set_axis(rows["network"]).dropna()
        row["slowest"] = f"{seconds.idxmax()} {seconds.max():.0f} s" if len(seconds) else "-"
        found.append(row)
    return pd.DataFrame(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", metavar="NAME", nargs="*")
    parser.add_argument("--groupings", nargs="*", default=["filter", "coupled"])
    parser.add_argument("--keep", type=float, default=0.5)
    parser.add_argument("--out", type=Path, default=Path("networks.csv"))
    parser.add_argument("--limit", type=float, default=120, help="seconds for a network and a grouping")
    parser.add_argument("--torch-pruning", type=Path, help="CSV of its rows")
    parser.add_argument("--no-torch-pruning", action="store_true", help="do not compute its rows that are missing")
    parser.add_argument("--again", action="store_true", help="compute rows that are there, torch-pruning's excepted")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.networks[0], options.groupings[0], options.keep)
        return
    their_file = options.torch_pruning or options.out.with_suffix(f".{THEIRS}.csv")
    asked = options.networks or names()
    there = read(options.out, COLUMNS, ["network", "grouping"]).index
    for name in asked:
        theirs = read(their_file, THEIR_COLUMNS, ["network"])
        if name not in theirs.index and not options.no_torch_pruning:
            append(their_file, in_process(name, THEIRS, options.keep, options.limit), THEIR_COLUMNS)
            theirs = read(their_file, THEIR_COLUMNS, ["network"])
            print(theirs.loc[[name]].to_csv(header=False, index=False), end="", flush=True)
        known = {c: theirs.at[name, c] for c in THEIR_COLUMNS[1:3] if name in theirs.index}
        for grouping in options.groupings:
            if options.again or (name, grouping) not in there:
                row = in_process(name, grouping, options.keep, options.limit) | known
                append(options.out, row, COLUMNS)
                print(*(_cell(row.get(c)) for c in COLUMNS[:-1]), flush=True)
    table = read(options.out, COLUMNS, ["network", "grouping"])
    table = table[table["network"].isin(asked) & table["grouping"].isin(options.groupings)].reset_index(drop=True)
    kept = read(their_file, THEIR_COLUMNS, ["network"])["torch_pruning_macs_kept"]  # also those of later on
    table["torch_pruning_macs_kept"] = table["network"].map(kept).fillna(table["torch_pruning_macs_kept"])
    if len(table):
        print(table.drop(columns="torch_pruning_reason").map(_cell).to_string(index=False))
        print(sums(table).to_string(index=False))


if __name__ == "__main__":
    main()
