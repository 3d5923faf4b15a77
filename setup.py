"""What pyproject.toml cannot say: the workflow's own files travel inside the wheel.

occludenet_build/project.py finds them there. An editable install needs no copy: it finds the
checkout's.
"""

import shutil
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent


class BuildWithProject(build_py):
    """build_py, and a copy of the project's files in the folder `_project` of the package."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            copy_project(Path(self.build_lib) / "occludenet_build" / "_project")


def copy_project(target: Path) -> None:
    sys.path.insert(0, str(HERE))
    from occludenet_build.project import FILES

    shutil.rmtree(target, ignore_errors=True)  # of an earlier build
    target.mkdir(parents=True)
    for name in FILES:
        if (HERE / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(HERE / name, target / name, ignore=ignored)
        else:
            shutil.copyfile(HERE / name, target / name)


setup(cmdclass={"build_py": BuildWithProject})
