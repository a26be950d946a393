"""Chat templates as trainers render them, and the proof that what should be trained is: see docs/train.md."""
