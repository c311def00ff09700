"""Consistency checks of trials.csv: required cells, unique trials, and numbers that agree with each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from results.errors import InputError

TOLERANCE = 0.01  # relative, so that rounded numbers still agree
RATIOS = {"compression": ("dense_params", "params"), "mac_speedup": ("dense_macs", "macs")}


def check_rows(trials: pd.DataFrame, path: Path, required: Sequence[str]) -> None:
    """Raise InputError if a row lacks a required cell, repeats a trial, or contradicts itself."""
    for column in required:
        rows = trials[trials["status"] == "done"] if column == "test_top1" else trials
        empty = rows.index[rows[column].isna()]
        if len(empty):
            why = "a trial that is done has one" if column == "test_top1" else "every row needs it"
            raise InputError(f"{path}, row {empty[0] + 1}, {column}: empty, {why}")
    twice = trials.index[trials["trial"].duplicated()]
    if len(twice):
        trial = trials["trial"][twice[0]]
        raise InputError(f"{path}, row {twice[0] + 1}: the trial {trial} stands twice; each may have one row")
    _check_ratios(trials, path)
    _check_sparsity(trials, path)


def _check_ratios(trials: pd.DataFrame, path: Path) -> None:
    """Raise InputError if a ratio does not equal the ratio of its two columns."""
    for column, (dense, pruned) in RATIOS.items():
        if {column, dense, pruned} <= set(trials):
            expected = trials[dense] / trials[pruned].where(trials[pruned] > 0)
            _compare(trials, column, expected, f"{dense} / {pruned}", path)


def _check_sparsity(trials: pd.DataFrame, path: Path) -> None:
    """Raise InputError if group_sparsity is not the share of removed groups."""
    if {"group_sparsity", "groups", "groups_kept"} <= set(trials):
        told = trials.dropna(subset=["groups", "groups_kept"])
        told = told.loc[told["groups"].map(sum) > 0]
        pairs = zip(told["groups"], told["groups_kept"], strict=True)
        shares = [1 - sum(kept) / sum(groups) for groups, kept in pairs]
        expected = pd.Series(shares, index=told.index, dtype="float64")
        _compare(told, "group_sparsity", expected, "1 - groups_kept / groups", path)


def _compare(trials: pd.DataFrame, column: str, expected: pd.Series, formula: str, path: Path) -> None:
    """Raise InputError at the first row whose column differs from the expected number; empty cells agree."""
    wrong = (trials[column] - expected).abs() > TOLERANCE * expected.abs().clip(lower=1)
    if wrong.any():
        row = trials.index[wrong][0]
        raise InputError(
            f"{path}, row {row + 1}, {column}: {trials[column][row]:g}, but {formula} is {expected[row]:g}; "
            "one of them was changed by hand"
        )
