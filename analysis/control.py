"""The dense control of a trial: the network of full size that was trained as long, on the same data and machine."""

from __future__ import annotations

import pandas as pd

from analysis.identity import DENSE_RECIPE
from analysis.load import Setting
from analysis.series import total_epochs

SAME = ("seed", "train_images", "protocol", *DENSE_RECIPE, "device", "threads")


def with_controls(setting: Setting, trials: pd.DataFrame) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Return the trials in parts that share their dense controls, each with these: see `controls`."""
    alike = trials.assign(epochs=total_epochs(trials))
    columns = [column for column in (*SAME, "epochs") if column in alike]
    parts = [trials.loc[rows.index] for _, rows in alike.groupby(columns, dropna=False, sort=True)]
    return [(part, controls(setting, part.iloc[0])) for part in parts]


def controls(setting: Setting, trial: pd.Series) -> pd.DataFrame:
    """Return the dense controls that agree with a trial in seed, data, rules and machine, as far as columns tell.

    Where some of them were trained for as many epochs in total as the trial, these alone.
    """
    dense = setting.dense
    for column in SAME:
        if column in dense:
            value = trial[column]
            dense = dense[dense[column].isna() if pd.isna(value) else dense[column] == value]
    as_long = dense[total_epochs(dense) == trial.get("epochs")]
    return as_long if len(as_long) else dense
