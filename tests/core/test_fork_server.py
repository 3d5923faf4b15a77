"""The server of a job's workers: what it has imported, and whose time it counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from conftest import REPO

JOB = """
import json, os, resource, sys, time
from functools import partial
from occludenet_build.core.pool import in_processes

def work(item, more):
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    from occludenet_build.core import pool
    return os.getppid(), os.environ.get("ADDED"), pool.__file__, sys.path, os.getcwd()

if __name__ == "__main__":
    os.environ["ADDED"] = "later"
    sys.path.insert(0, "/added")
    found = list(in_processes(partial(work, more=abs), range(4), 2))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    parents, added, files, paths, folders = map(list, zip(*found))
    print(json.dumps({
        "servers": len(set(parents) - {os.getpid()}), "added": added, "files": files,
        "paths": all(path[:len(sys.path)] == sys.path for path in paths), "folders": folders,
        "cpu": used.ru_utime + used.ru_stime, "left": os.environ.get("PYTHONSAFEPATH"),
    }))
"""

WITHOUT = """
import sys
from occludenet_build.core import tables
tables.without_pandas()
table = tables.from_rows([{"a": None}, {"a": 1.5}], tables.pa.schema([("a", "float64")]))
tables.write_table(table, sys.argv[1])
tables.table_digest(tables.read_table(sys.argv[1], ["a"]))
late = {"pandas", "pyarrow.dataset", "pyarrow.compute"} & set(sys.modules)
assert not late, late
import pandas as pd
assert list(table.to_pandas()["a"].isna()) == [True, False]
assert tables.pa.array(pd.Series([1.0, float("nan")]), from_pandas=True).null_count == 1
assert tables.pa.Table.from_pandas(pd.DataFrame({"a": ["x", None]}))["a"].null_count == 1
"""


def python(*words: object) -> str:
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_workers_are_those_of_one_server_and_know_what_their_job_knows(tmp_path):
    (tmp_path / "job.py").write_text(JOB)
    found = json.loads(python(tmp_path / "job.py"))
    assert found["servers"] == 1
    assert found["added"] == ["later"] * 4 and found["left"] is None
    assert set(found["files"]) == {str(REPO / "occludenet_build/core/pool.py")}
    assert found["paths"] and set(found["folders"]) == {str(Path.cwd())}
    assert found["cpu"] >= 0.8, "the CPU time of the workers counts, for `occludenet plan`"


def test_tables_need_no_pandas_until_somebody_asks_for_it(tmp_path):
    (tmp_path / "without.py").write_text(WITHOUT)
    python(tmp_path / "without.py", tmp_path / "t.parquet")
