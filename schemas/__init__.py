"""NOUNS: frozen records, the configuration, the settings, the errors; imports nothing of ours."""
