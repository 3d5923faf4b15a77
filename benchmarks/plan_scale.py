"""Time and memory of planning a full build with Snakemake.

    python benchmarks/plan_scale.py [--videos 300000] [--clips 78400] [--shards 1000 1220]

Fabricates the state of a build of OccludeNet-D: the folder of videos, and for the second plan the
outputs of all jobs, which `snakemake --touch` takes as made. Plans all jobs with
`snakemake --dry-run all` where nothing is built, and where all is built. Prints a table, and as its
last line one JSON object:

    videos              videos in the folder
    jobs                jobs of the plan where nothing is built
    dry_run_seconds     CPU seconds of planning where nothing is built
    replan_seconds      CPU seconds of planning where all is built
    peak_mib            peak memory of the larger of the two, MiB

Aim: at most 20 s and 500 MB each (disk cache warm).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout

from parts.measure import with_peak
from parts.scale.build_state import Size, settings, write_results, write_sources

REPO = Path(__file__).resolve().parents[1]


def main() -> None:
    """Fabricate the state, plan twice, and print what it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--videos", type=int, default=300_000)
    parser.add_argument("--clips", type=int, default=78_400)
    parser.add_argument("--shards", type=int, nargs=2, default=(1_000, 1_220))
    args = parser.parse_args()
    size = Size(args.videos, args.clips, *args.shards)
    with tempfile.TemporaryDirectory(prefix="occludenet-plan-scale-") as folder:
        os.chdir(folder)
        print(json.dumps(measured(Path(folder), size)))


def measured(folder: Path, size: Size) -> dict[str, float]:
    """Write the state into `folder`, the working folder, and plan it."""
    (folder / "config.yaml").write_text(json.dumps(settings(size)))
    write_sources(folder, size.videos)
    print(f"{'state':14}{'CPU s':>8}{'wall s':>8}{'MiB':>8}")
    jobs = _jobs(_snakemake("--dry-run", "--quiet", "rules"))
    first, peak = _plan("nothing built")
    write_results(folder, _outputs(), size)
    _take_as_made()
    left = _snakemake("--dry-run", "--quiet", "rules")
    if "Nothing to be done" not in left or "missing provenance" in left:
        sys.exit(f"wanted a build with nothing to do, got\n{left[-3000:]}")
    second, peak_again = _plan("all built")
    return {
        "videos": size.videos,
        "jobs": jobs,
        "dry_run_seconds": round(first, 2),
        "replan_seconds": round(second, 2),
        "peak_mib": round(max(peak, peak_again)),
    }


def _plan(state: str) -> tuple[float, float]:
    """CPU seconds and peak memory in MiB of a dry run; prints them."""
    cost, peak = with_peak(_command("--dry-run"))
    print(f"{state:14}{cost.cpu:8.2f}{cost.wall:8.2f}{peak:8.0f}", flush=True)
    return cost.cpu, peak


def _jobs(text: str) -> int:
    found = re.search(r"^total +(\d+)$", text, re.M)
    if found is None:
        sys.exit(f"wanted the counts of a dry run, got\n{text[-3000:]}")
    return int(found[1])


def _outputs() -> list[str]:
    """The outputs of all jobs, relative to the working folder."""
    lines = _snakemake("--summary").splitlines()
    head = next(at for at, line in enumerate(lines) if line.startswith("output_file"))
    return [line.split("\t")[0] for line in lines[head + 1 :] if "\t" in line]


def _take_as_made() -> None:
    """`snakemake --touch`, without its pause of 0.1 s before each job."""
    code = "import sys; from snakemake import cli; from snakemake.executors.touch import Executor; "
    code += "Executor.SLEEPING_TIME = 0; cli.main(sys.argv[1:])"
    _run([sys.executable, "-c", code, *_command("--touch", "--forceall", "--quiet", "all")[3:]])


def _command(*options: str) -> list[str]:
    snakefile = str(REPO / "Snakefile")
    return [sys.executable, "-m", "snakemake", "-s", snakefile, "--cores", "4", "all", *options]


def _snakemake(*options: str) -> str:
    return _run(_command(*options))


def _run(command: list[str]) -> str:
    """What Snakemake prints. Ends this process where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}{done.stdout[-999:]}")
    return done.stdout + done.stderr


if __name__ == "__main__":
    main()
