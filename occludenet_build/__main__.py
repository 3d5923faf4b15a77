"""Entry point of `python -m occludenet_build`, equivalent to the console script `occludenet`."""

from __future__ import annotations

from occludenet_build.cli import main

if __name__ == "__main__":
    main()
