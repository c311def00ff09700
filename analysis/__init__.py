"""Analysis: the CSVs of a suite in, the figures and tables of a paper out. Knows pandas, never torch."""
