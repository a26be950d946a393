"""WALLS: where untrusted commands run; bubblewrap, Docker, Podman, one conformance suite.

`base.py` is the seam and `bubblewrap.py` the default backend: `warden.py` and `pod.py` are its processes,
`arguments.py` and `seccomp.py` its walls, `shell.py` and `program.py` what runs behind them, `diagnosis.py` why it may
not. `images.py` makes the file systems; `jail.py` keeps a trusted worker that reads hostile input behind such walls.
"""
