"""SENTENCES: the figure, one flow a box, and the workshop that a run opens."""

from tasks.prefect_environment import settle_prefect

settle_prefect()
