"""REPORTS: what a run leaves behind, in numbers, words and tables."""
