"""REHEARSALS: the offline teacher, which needs no key and no network; its data is no training data."""
