"""TONGUES: formats of the outside world, each declared in one file, both ways where both make sense."""
