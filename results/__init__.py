"""The contract between runners and analysis: the columns of the CSVs, how they are read, and what may be wrong.

columns: one model per CSV. reading: results folders as validated frames. errors: the one tree of errors.
"""
