"""WORLDS: the seam, shared admission, dialects and self-instruct, and one folder a world."""
