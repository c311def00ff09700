"""The search behind the envelope: elimination in one long vector must agree with sorting."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods import envelope
from methods import envelope_search as search

LONG_KINDS = ["normal", "heavy", "few distinct", "mostly zero", "equal", "dying", "sorted"]


def long_vector(kind, m=3000):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(m, generator=generator, dtype=torch.float64).abs()
    return {
        "normal": x,
        "heavy": (3 * x).exp(),
        "few distinct": (3 * x).ceil(),
        "mostly zero": torch.where(x > 1.5, x, 0.0),
        "equal": torch.ones_like(x),
        "dying": torch.where(x > 1, x, 10 ** (-30 * x)),
        "sorted": x.sort().values,
    }[kind]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", LONG_KINDS)
def test_elimination_agrees_with_sorting(kind, weighted, monkeypatch):
    norms = long_vector(kind)
    weights = 0.5 + long_vector("normal") if weighted else None
    cases = list(itertools.product((0, 0.3, 1, 7, 300, 300.5, 1500, 2990, 3000, 4000), (0.0, 1e-3, 1.0, 1e3, 1e20)))

    def everything():
        factors = torch.stack([envelope.prox_factors(norms, k, lam, weights) for k, lam in cases])
        others = (envelope.value, envelope.dual_variable, envelope.conjugate)
        return factors, torch.stack([f(norms, k, weights) for f in others for k, _ in cases[::5]])

    sorted_factors, sorted_others = everything()
    monkeypatch.setattr(search, "LARGE", 200)
    monkeypatch.setattr(search, "CHUNK", 700)
    factors, others = everything()
    torch.testing.assert_close(factors, sorted_factors, rtol=1e-10, atol=1e-13)
    torch.testing.assert_close(others, sorted_others, rtol=1e-12, atol=0)
    hard = [row for row, (_, lam) in enumerate(cases) if lam >= 1]
    assert torch.equal(factors[hard] == 0, sorted_factors[hard] == 0)


def test_elimination_survives_an_unlucky_sample(monkeypatch):
    """The sample sees one end of the vector only, so no pivot holds: the answer must not depend on luck."""
    norms, weights = long_vector("sorted"), 0.5 + long_vector("normal")  # unequal: nothing else than elimination
    expected = envelope.prox_factors(norms, 300, 1.0, weights)
    monkeypatch.setattr(search, "LARGE", 200)
    for first in (0, len(norms) - 500):
        monkeypatch.setattr(search, "sample_index", lambda _, size, first=first: first + torch.arange(size) % 500)
        torch.testing.assert_close(envelope.prox_factors(norms, 300, 1.0, weights), expected, rtol=1e-12, atol=0)


def test_the_global_generator_is_left_alone(monkeypatch):
    monkeypatch.setattr(search, "LARGE", 200)
    before = torch.get_rng_state()
    envelope.prox_factors(long_vector("normal"), 300, 1.0, 0.5 + long_vector("heavy"))
    assert torch.equal(torch.get_rng_state(), before)


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0]) | st.floats(0, 10), min_size=1, max_size=6), st.data())
def test_ranked_is_the_element_of_the_sorted_vector(norms, data):
    rank = data.draw(st.integers(1, len(norms)))
    found = search.ranked(torch.tensor(norms, dtype=torch.float64), torch.tensor([rank]))
    assert found.item() == sorted(norms, reverse=True)[rank - 1]


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 10)), min_size=2, max_size=8), st.floats(0.05, 0.95))
def test_root_solves_the_sum_of_ramps(ramps, share):
    entry, slope = torch.tensor(ramps, dtype=torch.float64).T.contiguous()
    k = torch.tensor([share * len(ramps)], dtype=torch.float64)
    ramp = search.Ramps.of(entry, slope)
    if ramp.heights(torch.zeros(1)).sum() < k:
        x, lower = search.root(ramp, k)
        torch.testing.assert_close(ramp.heights(x).sum(-1), k[0], rtol=1e-10, atol=0)
        assert lower <= x
