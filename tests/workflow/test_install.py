"""Installation: OpenCV without windows, which module belongs to which extra, choice of Python."""

from __future__ import annotations

import importlib.metadata as metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest
from conftest import REPO
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.workflow import SETTINGS, Build

from occludenet_build import command
from occludenet_build.config.backends import DETECTORS, MASKERS, POSERS, TRAINED, modules_of
from occludenet_build.core import pool
from occludenet_build.core.extras import EXTRAS

PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
SITE = Path(sysconfig.get_path("platlib"))
WINDOWS = re.compile(r"lib(GLX?|OpenGL|EGL|X11|Xext|xcb|SM|ICE|glib-2\.0|gthread-2\.0)\.so[.\d]*$")
"""System libraries that a machine without a screen does not have. Wheels bundle their own under
names with a hash, such as libxcb-77222338.so.1.1.0."""


# --- OpenCV without windows -----------------------------------------------------------------------


def test_opencv_python_is_the_stand_in():
    standing_in = metadata.distribution("opencv-python")
    assert standing_in.version.endswith("+headless")
    assert not [f for f in standing_in.files or () if f.parts[0] == "cv2"]
    owners = metadata.packages_distributions()
    assert set(owners["cv2"]) == {"opencv-python-headless"}
    assert set(owners["ultralytics"]) == {"ultralytics-opencv-headless"}


@pytest.mark.slow
def test_no_library_of_the_installation_needs_a_screen():
    libraries = [str(path) for path in SITE.rglob("*.so*") if path.is_file()]
    assert len(libraries) > 100
    shown = subprocess.run(["ldd", *libraries], capture_output=True, text=True, check=False).stdout
    needed = re.findall(r"^\t(\S+) => (\S+)", shown, re.M)
    assert any(name.startswith("libc.so") for name, _ in needed)  # ldd ran
    # also what ldd does not find: this machine may be without a screen
    assert not {n for n, path in needed if WINDOWS.match(n) and not path.startswith(str(SITE))}


@pytest.mark.slow
def test_no_library_that_a_process_loads_needs_a_screen():
    """After importing every module of the project and its heavy packages."""
    code = (
        "import importlib, pkgutil, re\n"
        "import occludenet_build\n"
        "from occludenet_build.core import extras\n"
        "names = pkgutil.walk_packages(occludenet_build.__path__, 'occludenet_build.')\n"
        "for module in [n.name for n in names if not n.name.endswith('__main__')]:\n"
        "    importlib.import_module(module)\n"
        "for module in ['cv2', 'trackers', 'ultralytics', *extras.EXTRAS]:\n"
        "    importlib.import_module(module)\n"
        "text = open('/proc/self/maps').read()\n"
        "print('\\n'.join(sorted(set(re.findall(r'(/\\S+\\.so[.\\d]*)$', text, re.M)))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    loaded = [Path(line) for line in done.stdout.splitlines()]
    assert any("cv2" in path.parts for path in loaded)
    assert not [path for path in loaded if WINDOWS.match(path.name) and SITE not in path.parents]


def test_the_constraints_admit_no_opencv_with_windows():
    pins = (REPO / "constraints.txt").read_text().splitlines()
    stand_in = tomllib.loads((REPO / "installation/opencv-python/pyproject.toml").read_text())
    assert f"opencv-python=={stand_in['project']['version']}" in pins
    assert not [pin for pin in pins if pin.startswith(("ultralytics==", "opencv-contrib"))]


# --- extras ---------------------------------------------------------------------------------------


def requirements(lines: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in lines}


def test_the_table_of_extras_is_that_of_pyproject():
    owners = metadata.packages_distributions()
    told: dict[str, set[str]] = {}
    for module, extra in EXTRAS.items():
        (owner,) = {canonicalize_name(name) for name in owners[module]}
        told.setdefault(extra, set()).add(owner)
    for extra, distributions in told.items():
        listed = requirements(PROJECT["optional-dependencies"][extra])
        assert distributions == listed - {PROJECT["name"]}, extra
    assert {*told, "all", "dev"} == set(PROJECT["optional-dependencies"])


def test_backends_and_stages_name_only_modules_of_extras():
    named = [row.imports for row in (*DETECTORS.values(), *MASKERS.values(), *POSERS.values())]
    assert {module for modules in (*named, *TRAINED.values()) for module in modules} <= set(EXTRAS)
    assert all(
        row.imports
        for row in (*DETECTORS.values(), *MASKERS.values(), *POSERS.values())
        if row.network
    )


@pytest.mark.parametrize(
    ("stage", "settings", "modules"),
    [
        ("detect", {"backend": "motion"}, ()),
        ("detect", {"backend": "yolo", "weights": "a.pt"}, ("torch", "torchvision", "ultralytics")),
        ("detect", {"backend": "yolo", "weights": "a.onnx"}, ("torch", "torchvision")),
        ("actor_masks", {"backend": "grabcut"}, ()),
        ("actor_masks", {"backend": "sam"}, ("torch", "segment_anything")),
        ("kinetics", {"route": "youtube"}, ("yt_dlp",)),
        ("kinetics", {"route": "archives"}, ()),
        ("composite", {}, ()),
    ],
)
def test_modules_of_a_stage(stage, settings, modules):
    assert modules_of(stage, settings) == modules


def test_the_data_half_brings_in_no_torch():
    """The requirements of the requirements, without extras."""
    found, new = set(), requirements(PROJECT["dependencies"])
    while new:
        found |= new
        lines = [Requirement(r) for name in new for r in required_by(name)]
        new = {
            canonicalize_name(line.name)
            for line in lines
            if line.marker is None or line.marker.evaluate({"extra": ""})
        } - found
    assert {"trackers", "opencv-python-headless", "snakemake"} <= found
    extra = {line for lines in PROJECT["optional-dependencies"].values() for line in lines}
    assert not found & (requirements(list(extra)) | {"nvidia-cublas", "triton"})


def required_by(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:  # of another Python or system
        return []


BLOCKED = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {modules!r}:
            raise {error}
sys.meta_path.insert(0, Absent())
from occludenet_build import cli
cli.main({words!r})
"""
NO_TORCH = "ModuleNotFoundError(f'No module named {name!r}', name=name)"
NO_GL = (
    "ImportError('libGL.so.1: cannot open shared object file: No such file or directory',"
    " name='cv2')"
)


@pytest.mark.parametrize(
    ("words", "modules", "error", "line"),
    [
        (["train", "--help"], EXTRAS, NO_TORCH, None),
        (["--help"], ["numpy", "msgspec", "cv2", "pyarrow"], NO_TORCH, None),
        (
            ["composite", "--help"],
            ["numpy"],
            NO_TORCH,
            "composite: wanted numpy, which is not installed; pip install occludenet-build",
        ),
        (
            ["composite", "--help"],
            ["cv2"],
            NO_GL,
            "wanted the system library libGL.so.1 for cv2, this machine does not have it;"
            " pip uninstall opencv-python opencv-python-headless, then pip install"
            " opencv-python-headless",
        ),
        (
            ["evaluate", "--model", "x.pt", "--out", "x.parquet", "--settings"]
            + ['{"evaluate":{"lists":[{"name":"I","file":"list.csv"}]}}'],
            ["torch"],
            NO_TORCH,
            "wanted torch, which is not installed; pip install 'occludenet-build[learn]'",
        ),
    ],
    ids=["no extra", "nothing", "no numpy", "no libGL", "evaluate"],
)
def test_a_failed_import_is_one_line(tmp_path, words, modules, error, line):
    (tmp_path / "list.csv").write_text("a.mp4 bow\n")
    code = BLOCKED.format(modules=set(modules), error=error, words=words)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    if line is None:
        assert done.returncode == 0 and "usage: occludenet" in done.stdout
    else:
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].endswith(line)


def in_a_worker(module: str) -> None:
    raise ModuleNotFoundError(f"No module named {module!r}", name=module)


def test_a_failed_import_in_a_worker_is_the_same_line(tmp_path):
    parser = command.parser("stage", "stage: a test", lambda parser: None)

    def run(args, config):
        list(pool.in_processes(in_a_worker, ["torch", "torch"], 2))

    log = tmp_path / "stage.log"
    with pytest.raises(SystemExit) as ended:
        command.main("stage", parser, run, ["--log", str(log)])
    assert ended.value.code == 2
    line = "wanted torch, which is not installed; pip install 'occludenet-build[learn]'"
    assert log.read_text().splitlines()[-1].endswith(line)
    assert "Traceback" not in log.read_text()


# --- choice of the interpreter --------------------------------------------------------------------

TOOLS = ("sh", "dirname", "grep", "date", "du", "cut")


def interpreter(folder: Path, name: str, prelude: dict[str, str]) -> None:
    """A program `name` that runs this Python, with modules that come before its own."""
    modules = folder / f"{name}-modules"
    modules.mkdir(parents=True)
    for module, text in prelude.items():
        (modules / f"{module}.py").write_text(text)
    program = folder / "bin" / name
    program.write_text(f'#!/bin/sh\nPYTHONPATH={modules} exec {sys.executable} "$@"\n')
    program.chmod(0o755)


def version(*numbers: int) -> dict[str, str]:
    return {"sitecustomize": f"import sys; sys.version_info = {numbers}"}


NO_VENV = {"ensurepip": "raise ImportError"}
STOPS = {"venv": "if __name__ == '__main__': raise SystemExit('no room')"}
LOOKED = "looked for python3.11 python3.12 python3.13 python3.14 python3: "


@pytest.mark.parametrize(
    ("programs", "given", "code", "line"),
    [
        ({}, None, 2, LOOKED + "found none; install one (Debian, Ubuntu: apt install python3 "),
        (
            {"python3": version(3, 9, 2), "python3.12": NO_VENV | version(3, 12, 1)},
            None,
            2,
            LOOKED + "python3.12 is Python 3.12.1 without venv: apt install python3.12-venv; "
            "python3 is Python 3.9.2; install",
        ),
        ({"python3": version(3, 15, 0)}, None, 2, "python3 is Python 3.15.0;"),
        ({"python3.11": version(3, 11, 0)}, "python4", 2, "PYTHON=python4 is none"),
        ({"mine": version(3, 10, 13)}, "mine", 2, "PYTHON=mine is Python 3.10.13"),
        # these begin to install, and their venv stops
        ({"python3.11": STOPS}, None, 1, "bin/python3.11) into"),
        ({"python3.11": version(3, 8, 1), "python3.13": STOPS}, None, 1, "bin/python3.13) into"),
        ({"python3.11": STOPS, "mine": STOPS | version(3, 16, 0)}, "mine", 1, "bin/mine) into"),
    ],
)
def test_an_interpreter_that_fits_is_found(tmp_path, programs, given, code, line):
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    for name, prelude in programs.items():
        interpreter(tmp_path, name, prelude)
    env = {"PATH": str(tmp_path / "bin")} | ({"PYTHON": given} if given else {})
    done = subprocess.run(
        ["sh", str(REPO / "installation" / "install.sh"), str(tmp_path / "venv")],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert line in done.stdout + done.stderr
    if code == 2:
        assert len(done.stderr.splitlines()) == 1 and not done.stdout
    else:
        assert "GB to download" in done.stdout and "stopped after" in done.stderr


# --- an installation without extras ---------------------------------------------------------------


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Path:
    """The folder bin of an environment that the installation makes without extras."""
    venv = tmp_path_factory.mktemp("bare") / "venv"
    told = setup(venv, EXTRAS="")
    assert "setup: done after" in told and "0.3 GB to download" in told
    return venv / "bin"


def setup(venv: Path, **variables: str) -> str:
    done = subprocess.run(
        ["sh", str(REPO / "installation" / "install.sh"), str(venv)],
        env=os.environ | {"PYTHON": sys.executable} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def data_half(bare, world, tmp_path_factory) -> Path:
    """A folder in which that environment built clips and annotations."""
    build = Build(tmp_path_factory.mktemp("data"), world, SETTINGS)
    done = run_in(build.folder, str(bare / "python"), *build.command("dataset")[1:])
    assert done.returncode == 0, done.stderr[-3000:]
    assert list(build.folder.glob("build/OccludeNet-D/**/*.mp4"))
    return build.folder


def run_in(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


BUILD = "build"
NO_VISION = (
    "wanted torch, torchvision for detect.backend {}, which are not installed;"
    " pip install 'occludenet-build[learn]'"
)
LEARN = "wanted torch, which is not installed; pip install 'occludenet-build[learn]'"
NEEDS = {
    "train": (
        f"train --clips {BUILD}/annotate/clips.parquet --labels {BUILD}/annotate/labels.json"
        f" --root {BUILD} --arm car --out new/car-0.pt",
        LEARN,
    ),
    "evaluate": (
        f"evaluate --clips {BUILD}/annotate/clips.parquet --root {BUILD} --model none.pt --out n",
        LEARN,
    ),
    "attention": (
        f"attention --clips {BUILD}/annotate/clips.parquet --root {BUILD} --model none.pt --out n",
        LEARN,
    ),
    "detect yolo": (
        f"detect --videos {BUILD}/index/shards/000.parquet --out new/detect.parquet"
        ' --weights w.pt --settings {"detect":{"backend":"yolo"}}',
        "wanted torch, torchvision, ultralytics for detect.backend yolo, which are not"
        " installed; pip install 'occludenet-build[learn,yolo]'",
    ),
    "detect export": (
        f"detect --videos {BUILD}/index/shards/000.parquet --out new/detect.parquet"
        ' --weights w.onnx --settings {"detect":{"backend":"yolo"}}',
        NO_VISION.format("yolo"),
    ),
    "detect torchvision": (
        f"detect --videos {BUILD}/index/shards/000.parquet --out new/detect.parquet"
        ' --weights w.pt --settings {"detect":{"backend":"torchvision"}}',
        NO_VISION.format("torchvision"),
    ),
    "actor_masks sam": (
        f"actor_masks --clips {BUILD}/select/shards/000.parquet --boxes {BUILD}/detect/store"
        ' --out new/masks.parquet --weights w.pt --settings {"actor_masks":{"backend":"sam"}}',
        "wanted torch, segment_anything for actor_masks.backend sam, which are not installed;"
        " pip install 'occludenet-build[learn]'",
    ),
    "actor_masks yolo-seg": (
        f"actor_masks --clips {BUILD}/select/shards/000.parquet --boxes {BUILD}/detect/store"
        ' --out new/masks.parquet --weights w.pt --settings {"actor_masks":{"backend":"yolo-seg"}}',
        "wanted torch, ultralytics for actor_masks.backend yolo-seg, which are not installed;"
        " pip install 'occludenet-build[learn,yolo]'",
    ),
    "kinetics youtube": (
        'kinetics --out new/k.parquet --folder new --settings {"kinetics":{"route":"youtube"}}',
        "wanted yt_dlp for kinetics.route youtube, which is not installed;"
        " pip install 'occludenet-build[youtube]'",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("words", "line"), NEEDS.values(), ids=NEEDS)
def test_without_extras_each_command_says_which_one_it_needs(bare, data_half, words, line):
    for name in ("w.pt", "w.onnx"):
        (data_half / name).write_bytes(b"weights")
    done = run_in(data_half, str(bare / "occludenet"), *words.split(" "))
    assert done.returncode == 2, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    assert [text for text in done.stderr.splitlines() if text.endswith(line)]


@pytest.mark.slow
def test_the_workflow_says_it_before_the_first_job(bare, data_half):
    build = Build(data_half, None, SETTINGS)
    done = run_in(build.folder, str(bare / "python"), *build.command("all")[1:])
    assert done.returncode == 2
    line = (
        "wanted torch, torchvision, tensorboard for train, which are not installed;"
        " pip install 'occludenet-build[learn]'"
    )
    assert line in done.stderr.splitlines()
    assert "Traceback" not in done.stderr and "rule paper" not in done.stderr


@pytest.mark.slow
def test_without_extras_help_of_every_command_is_there(bare, tmp_path):
    from occludenet_build.cli import COMMANDS

    for name in COMMANDS:
        done = run_in(tmp_path, str(bare / "occludenet"), name, "--help")
        assert done.returncode == 0 and done.stdout.startswith(f"usage: occludenet {name} ")


@pytest.mark.slow
def test_torch_comes_from_the_index_that_is_named(tmp_path, bare):
    """An index of empty packages, with versions such as those without CUDA have."""
    pins = dict(
        re.findall(r"^(torch|torchvision)==(\S+)$", (REPO / "constraints.txt").read_text(), re.M)
    )
    for name, pinned in pins.items():
        empty_wheel(tmp_path / "index" / name, name, f"{pinned}+cpu")
    index = (tmp_path / "index").as_uri()
    venv = shutil.copytree(bare.parent, tmp_path / "venv", symlinks=True)
    told = setup(venv, TORCH_INDEX=index, EXTRAS="learn", PYTHON="")
    for name, pinned in pins.items():
        assert f" {name}-{pinned}+cpu" in told[told.index("Successfully installed") :]
    assert "captum-" in told and "nvidia" not in told
    assert f"PyTorch from {index}" in told


def empty_wheel(folder: Path, name: str, version: str) -> None:
    folder.mkdir(parents=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    (folder / "index.html").write_text(
        "".join(f'<a href="{p.name}">{p.name}</a>' for p in folder.glob("*.whl"))
    )
