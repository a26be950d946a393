"""VOICES: the only door to a model, with ledger, budget, limits and mixtures."""
