"""The contract between runners and analysis: the columns of the CSVs, their reader, and all errors.

columns: one model per CSV. reading: results folders as validated frames. errors: the one tree of exceptions.
"""
