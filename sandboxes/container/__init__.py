"""Docker and Podman behind the sandbox's seam: the pod is a container of theirs, the walls in it are bubblewrap's.

`engine.py` is the command line, `image.py` brings our base images there, `keeper.py` is the container's first process
and `backend.py` opens sessions; `diagnosis.py` says why it may not work.
"""
