"""Audit: what is wrong with a set of trajectories, told row by row; nothing is changed and nothing lands."""
