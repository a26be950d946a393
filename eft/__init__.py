"""CHORUS: emulated fine-tuning as a server of its own; imports none of the above and none of them imports it."""
