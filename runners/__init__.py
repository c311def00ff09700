"""How an experiment is run, the same for every method: suite -> trial -> row."""
