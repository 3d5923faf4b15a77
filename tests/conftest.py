"""Fixtures: self-made clips with known truth; real data where it lies beside the project."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from support.parity import recipe_of
from support.process_state import process_as_before
from support.readers import Readers, build_readers
from support.server import Site
from support.workers import MANY, longest_first, once

from occludenet_build.media.video.synth import write_video
from occludenet_build.tools.project import find_demo

find_demo()  # tests import demo.world by its name
# before torch is loaded: its waiting threads would spin, on cores that other tests want
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# A background shell has Ctrl-C ignored, and children inherit that: some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

REPO = Path(__file__).resolve().parents[1]
REAL_DATA = Path(os.environ.get("OCCLUDENET_TEST_DATA", REPO.parent / "shared" / "data"))

REFERENCE = Path(os.environ.get("OCCLUDENET_REFERENCE", REPO.parent / "shared" / "reference"))


collect_ignore = ["readers"]
"""Scripts of another environment (support.readers)."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write tests/golden/ where results changed with their version (make golden)",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if MANY:
        longest_first(items)


def pytest_collection_finish() -> None:
    """Thousands of items and PyTorch stay to the end: no collection of garbage goes through them.

    It would take half a second each time that the project asks for one.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Around fixtures too, of any scope: none may rely on what it changed for the tests after."""
    with process_as_before():
        return (yield)


@pytest.fixture(scope="session")
def parity() -> Path:
    """The folder of facts about other people's networks, which is not part of the project."""
    if not (REFERENCE / "parity" / "recipe.py").is_file():
        pytest.skip("the parity facts are not on this machine (set OCCLUDENET_REFERENCE)")
    return REFERENCE / "parity"


@pytest.fixture(scope="session")
def recipe(parity: Path) -> ModuleType:
    """The module of the parity facts that makes weights and inputs."""
    return recipe_of(parity)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real clips, COCO images and weights, which is not part of the project."""
    if not (REAL_DATA / "videos").is_dir():
        pytest.skip("the real clips are not on this machine (set OCCLUDENET_TEST_DATA)")
    return REAL_DATA


def moving_square(
    frames: int, width: int = 96, height: int = 64, side: int = 16
) -> list[np.ndarray]:
    """A bright square that moves right by one pixel a frame over a dim textured ground."""
    rows, columns = np.mgrid[0:height, 0:width]
    ground = (60 + 20 * np.sin(columns / 5) + 20 * np.cos(rows / 7)).astype(np.uint8)
    pictures = []
    for number in range(frames):
        picture = np.repeat(ground[:, :, None], 3, axis=2)
        left = 4 + number % max(1, width - side - 8)
        picture[height // 2 - side // 2 : height // 2 + side // 2, left : left + side] = (
            230,
            120,
            40,
        )
        pictures.append(picture)
    return pictures


def tone(seconds: float, rate: int = 16_000) -> np.ndarray:
    """float32 mono, 440 Hz."""
    return (0.3 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)).astype(
        np.float32
    )


@pytest.fixture
def site(monkeypatch) -> Iterator[Site]:
    """A server on loopback that no proxy stands before."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Site() as site:
        yield site


@pytest.fixture
def make_clip(tmp_path: Path):
    """Write a small clip: make_clip(name, frames=24, **options of write_video) -> path."""

    def make(name: str, frames: int = 24, size: tuple[int, int] = (96, 64), **options) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fps = options.pop("fps", Fraction(24))
        if options.pop("sound", False):
            options["audio"] = tone(frames / float(fps))
        write_video(path, moving_square(frames, *size), fps, **options)
        return path

    return make


def draw_world(folder: Path, counts: list[str]) -> None:
    command = [sys.executable, "-m", "demo.world", "--out", str(folder), *counts]
    subprocess.run(command, cwd=REPO, check=True)


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Path:
    """A drawn world of about a dozen clips."""
    counts = ["--train", "2", "--val", "1", "--test", "1", "--images", "8", "--seconds", "1"]
    folder = once(tmp_path_factory, "world", lambda folder: draw_world(folder / "world", counts))
    return folder / "world"


@pytest.fixture(scope="session")
def built(world, tmp_path_factory):
    """`Build` with a finished run of the stage composite; tests copy it or leave it as it is."""
    from support.workflow import SETTINGS, Build  # which takes REPO from here

    folder = once(
        tmp_path_factory, "built", lambda folder: Build(folder, world, SETTINGS).run("composite")
    )
    build = Build(folder, None, SETTINGS)
    # dry runs write too: each process has its own
    return build.copied(tmp_path_factory.mktemp("built")) if MANY else build


@pytest.fixture(scope="session")
def readers() -> Readers:
    """The programs that read exports, in their own environment: readers("script", **options)."""
    return build_readers()


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory) -> Path:
    """Five clips of one second, and photos with occluders: for the drills."""
    counts = ["--train", "1", "--val", "0", "--test", "0", "--images", "8", "--seconds", "1"]
    folder = once(tmp_path_factory, "tiny", lambda folder: draw_world(folder / "world", counts))
    return folder / "world"


@pytest.fixture(scope="session")
def reference(tiny_world, tmp_path_factory):
    """`Drill` with an undisturbed build; tests copy it or leave it as it is."""
    from support.drills import Drill  # which takes REPO from here

    folder = once(
        tmp_path_factory, "reference", lambda folder: Drill(folder, tiny_world).succeeds("dataset")
    )
    drill = Drill(folder, None)
    return drill.copy(tmp_path_factory.mktemp("reference")) if MANY else drill


@pytest.fixture
def drill(tiny_world, tmp_path):
    """`Drill` with the tiny world, in which nothing was built."""
    from support.drills import Drill

    return Drill(tmp_path / "drill", tiny_world)
