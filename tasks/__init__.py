"""VERBS: the stages, a pure function for one item and a thin Prefect task for one shard."""

from tasks.prefect_environment import settle_prefect

settle_prefect()
