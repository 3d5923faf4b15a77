"""`python -m occludenet_build <command>`: the same as the console script `occludenet`."""

from __future__ import annotations

from occludenet_build.cli import main

if __name__ == "__main__":
    main()
