"""The command line of stages and tools: one-line errors, exit codes, logs."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool

import pytest
from conftest import REPO

from occludenet_build import command
from occludenet_build.core.errors import UserError

ENDS = [
    (None, 0, "fine"),
    (UserError("wanted a, got b"), 2, "wanted a, got b"),
    (OSError(errno.ENOSPC, "full"), 1, "the disk is full"),
    (BrokenProcessPool("died"), 1, "a worker was killed"),
    (KeyboardInterrupt(), 130, "the next run continues from them"),
]


@pytest.mark.parametrize(("error", "code", "line"), ENDS, ids=[line for *_, line in ENDS])
def test_every_end_is_one_line_and_a_code(tmp_path, error, code, line):
    log = tmp_path / "logs" / "stage.log"
    words = ["--log", str(log)]
    parser = command.parser("stage", "stage: a test", lambda parser: None)

    def run(args, config):
        import logging

        if error is not None:
            raise error
        logging.info("fine")

    if code:
        with pytest.raises(SystemExit) as ended:
            command.main("stage", parser, run, words)
        assert ended.value.code == code
    else:
        command.main("stage", parser, run, words)
    assert line in log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("{", "wanted JSON"),
        ('{"detect":{"score":2}}', "detect.score"),
        ('{"x":1}', "unknown key x"),
    ],
)
def test_wrong_settings_are_one_line(tmp_path, settings, message):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "occludenet_build",
            "index",
            "--videos",
            "none",
            "--out",
            "x.parquet",
        ]
        + ["--out", "x.parquet", "--settings", settings],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr
