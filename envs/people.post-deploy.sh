# Snakemake runs this in the environment of people.yaml after making it. trackers asks for
# opencv-python, which needs X11 and OpenGL of the system; what else it needs is in people.yaml.
set -eu
# `python` alone can be another one that stands in PATH before the environment.
"$CONDA_PREFIX/bin/python" -m pip install --no-deps trackers==2.6.1
