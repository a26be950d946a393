"""SENTENCES: the figure, one flow a box, and the command line."""

from tasks.prefect_environment import settle_prefect

settle_prefect()
