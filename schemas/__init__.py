"""NOUNS: frozen records, the configuration and the errors. No I/O; imports nothing of ours from outside this room."""
