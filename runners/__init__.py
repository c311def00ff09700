"""The runner of experiments, the same for every method: suite -> trial -> row."""
