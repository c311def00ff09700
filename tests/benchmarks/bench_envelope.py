"""Time the envelope on one long vector of single weights against torch.sort of the same vector.

    python -m tests.benchmarks.bench_envelope [M] [REPEATS]

Prints medians over interleaved runs, in milliseconds of CPU time on one thread, and ratios to the sort. `ratios`
returns those of the prox for other programs.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from methods import envelope

MOST = 0.5  # of the prox, in sorts


def milliseconds(function: Callable[[], object]) -> float:
    """Return the CPU time of a call on this thread."""
    start = time.thread_time()
    function()
    return 1e3 * (time.thread_time() - start)


def vectors(m: int) -> dict[str, Tensor]:
    """Return m float32 norms of one scale, and others that span many decades."""
    torch.manual_seed(0)
    return {
        "half-normal": torch.randn(m).abs(),
        "heavy-tailed": (3 * torch.randn(m)).exp(),
        "mostly dying": torch.randn(m).abs() ** torch.randint(1, 30, (m,)),
        "15 decades": 10 ** (15 * torch.rand(m) - 15),
        "15 decades, sorted": torch.logspace(-15, 0, m),  # of which torch.sort takes a fifth of the time
    }


def compare(norms: Tensor, k: float, lam: float, repeats: int) -> dict[str, float]:
    """Median times; the functions take turns, so that a busy machine slows all of them alike."""
    contestants: dict[str, Callable[[], object]] = {
        "sort": lambda: torch.sort(norms),
        "prox": lambda: envelope.prox_factors(norms, k, lam),
        "value": lambda: envelope.value(norms, k),
        "tau": lambda: envelope.dual_variable(norms, k),
    }
    rounds = [{name: milliseconds(function) for name, function in contestants.items()} for _ in range(repeats)]
    return {name: statistics.median(times[name] for times in rounds) for name in contestants}


def ratios(m: int = 10_000_000, repeats: int = 5) -> list[tuple[str, float, float]]:
    """Return (what, prox over sort, the most that it should be) of each vector, for keep 10 % and lam 1."""
    found = []
    for name, norms in vectors(m).items():
        times = compare(norms, 0.1 * m, 1.0, repeats)
        found.append((f"prox of {m:,} norms, {name}", times["prox"] / times["sort"], MOST))
    return found


def main(m: int = 10_000_000, repeats: int = 5) -> None:
    """Print times and ratios."""
    torch.set_num_threads(1)
    print(f"{m:,} float32 norms, medians of {repeats}, ms (ratio to sort)")
    for name, norms in vectors(m).items():
        for keep in (0.1, 0.5):
            for lam in (1e-3, 1.0, 1e3):
                times = compare(norms, keep * m, lam, repeats)
                cells = [f"{key} {ms:6.0f} ({ms / times['sort']:.2f})" for key, ms in times.items()]
                print(f"{name:18s} k = {keep:.1f} m  lam = {lam:<6g}", "  ".join(cells), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
