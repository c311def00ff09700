"""Time the envelope on one long vector of single weights against torch.sort of the same vector.

    python -m tests.benchmarks.bench_envelope [M] [REPEATS]

Prints medians over interleaved runs, in milliseconds of CPU time on one thread, and ratios to the sort.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch

from methods import envelope


def milliseconds(function: Callable[[], object]) -> float:
    start = time.thread_time()
    function()
    return 1e3 * (time.thread_time() - start)


def compare(norms: torch.Tensor, k: float, lam: float, repeats: int) -> dict[str, float]:
    """Median times; the functions take turns, so that a busy machine slows all of them alike."""
    contestants: dict[str, Callable[[], object]] = {
        "sort": lambda: torch.sort(norms),
        "prox": lambda: envelope.prox_factors(norms, k, lam),
        "value": lambda: envelope.value(norms, k),
        "tau": lambda: envelope.dual_variable(norms, k),
    }
    rounds = [{name: milliseconds(function) for name, function in contestants.items()} for _ in range(repeats)]
    return {name: statistics.median(times[name] for times in rounds) for name in contestants}


def main(m: int = 10_000_000, repeats: int = 5) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    vectors = {
        "half-normal": torch.randn(m).abs(),
        "heavy-tailed": (3 * torch.randn(m)).exp(),
        "mostly dying": torch.randn(m).abs() ** torch.randint(1, 30, (m,)),
    }
    print(f"{m:,} float32 norms, medians of {repeats}, ms (ratio to sort)")
    for name, norms in vectors.items():
        for keep in (0.1, 0.5):
            for lam in (1e-3, 1.0, 1e3):
                times = compare(norms, keep * m, lam, repeats)
                cells = [f"{key} {ms:6.0f} ({ms / times['sort']:.2f})" for key, ms in times.items()]
                print(f"{name:13s} k = {keep:.1f} m  lam = {lam:<6g}", "  ".join(cells), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
