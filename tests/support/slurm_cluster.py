"""A real SLURM on this machine, for tests: three virtual nodes, two in `cpu`, one with a GPU.

Everything (configuration, key, state, logs) lies in one folder; nothing is written to /etc. The
programs of the packages slurmctld, slurmd, slurm-client and munge must be installed; with
OCCLUDENET_INSTALL_SLURM=1, as in .ci/run, they are installed by apt.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")
CLIENTS = ("srun", "sbatch", "squeue", "scontrol", "scancel", "sinfo", "sacct", "sstat")
NODES = ("c1", "c2", "g1")

_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
# nodes may declare more than this machine has
SlurmdParameters=config_overrides
SchedulerParameters=bf_interval=2,sched_interval=2,batch_sched_delay=0,sched_min_interval=0
KillWait=2
OverTimeLimit=0
SlurmdTimeout=20
MessageTimeout=30
# a line per finished job, with what it asked for
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/finished.txt
AccountingStorageType=accounting_storage/none
NodeName=c1 NodeHostname={host} NodeAddr=127.0.0.1 Port={c1} CPUs=32 RealMemory=64000
NodeName=c2 NodeHostname={host} NodeAddr=127.0.0.1 Port={c2} CPUs=32 RealMemory=64000
NodeName=g1 NodeHostname={host} NodeAddr=127.0.0.1 Port={g1} CPUs=32 RealMemory=64000 Gres=gpu:lab:1
PartitionName=cpu Nodes=c1,c2 Default=YES MaxTime={minutes} State=UP
PartitionName=gpu Nodes=g1 MaxTime={minutes} State=UP
"""


def why_not() -> str | None:
    """Why SLURM cannot be started here; None if it can. Installs it where that is allowed."""
    if os.geteuid() != 0:
        return "SLURM's daemons are started by root only"
    if all(_program(p) for p in PROGRAMS):
        return None
    wanted = f"wanted the packages {' '.join(PACKAGES)}"
    if os.environ.get("OCCLUDENET_INSTALL_SLURM") != "1":
        return f"SLURM is not installed: {wanted} (OCCLUDENET_INSTALL_SLURM=1 installs them)"
    if shutil.which("apt-get") is None:
        return f"SLURM is not installed: {wanted}, and there is no apt-get"
    return None if _installed() else f"SLURM cannot be installed: {wanted} from apt-get"


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


def _installed() -> bool:
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    # status 101: the package's own services are not started
    policy = Path("/usr/sbin/policy-rc.d")
    own = not policy.exists()
    if own:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        for step in (["apt-get", "update", "-qq"], command):
            subprocess.run(step, env=quiet, capture_output=True, timeout=300, check=False)
    finally:
        if own:
            policy.unlink()
    return all(_program(p) for p in PROGRAMS)


class SlurmCluster:
    """A running SLURM; `env` is the environment of its users."""

    def __init__(self, folder: Path, minutes: int = 10_000) -> None:
        self.folder = folder
        for name in ("munge", "state", "bin", *(f"spool/{n}" for n in NODES)):
            (folder / name).mkdir(parents=True)
        self._write(minutes)
        self.env = os.environ | {
            "PATH": f"{folder}/bin:{os.environ['PATH']}:/usr/sbin:/sbin",
            "SLURM_CONF": str(folder / "slurm.conf"),
        }
        self._start()

    def _write(self, minutes: int) -> None:
        ports = dict(zip(("port", *NODES), _free_ports(4), strict=True))
        text = _CONF.format(
            host=socket.gethostname().split(".")[0],
            user="root",
            folder=self.folder,
            minutes=minutes,
            **ports,
        )
        (self.folder / "slurm.conf").write_text(text)
        # A GPU needs a device file; any will do, and jobs get CUDA_VISIBLE_DEVICES=0.
        gpu = "NodeName=g1 Name=gpu Type=lab File=/dev/null\n"
        (self.folder / "gres.conf").write_text(gpu)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        for client in CLIENTS:
            self._wrap(client)

    def _wrap(self, client: str) -> None:
        """A client that counts its calls and finds its configuration.

        The plugin removes SLURM_CONF from the environment of a job.
        """
        path = self.folder / "bin" / client
        path.write_text(
            f"#!/bin/sh\necho {client} >>{self.folder}/calls.txt\n"
            f'SLURM_CONF={self.folder}/slurm.conf exec /usr/bin/{client} "$@"\n'
        )
        path.chmod(0o755)

    def _start(self) -> None:
        munge = self.folder / "munge"
        self._run(
            "munged",
            "--force",
            f"--key-file={self.folder}/munge.key",
            f"--socket={munge}/socket",
            f"--pid-file={munge}/munged.pid",
            f"--log-file={munge}/munged.log",
            f"--seed-file={munge}/seed",
        )
        self._run("slurmctld")
        for node in NODES:
            self._run("slurmd", "-N", node)
        self._wait(lambda: self.run("sinfo", "-h", "-N", "-o", "%T").split() == ["idle"] * 3)

    def _run(self, program: str, *args: str) -> None:
        subprocess.run([str(_program(program)), *args], env=self.env, check=True, timeout=60)

    def run(self, *command: str) -> str:
        """What a client prints."""
        done = subprocess.run(
            command, env=self.env, capture_output=True, text=True, check=False, timeout=60
        )
        return done.stdout

    def _wait(self, ready, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < end, (self.folder / "slurmctld.log").read_text()[-3000:]
            time.sleep(0.2)

    def finished(self) -> list[dict[str, str]]:
        """A row per finished job, as SLURM's jobcomp/filetxt writes it."""
        path = self.folder / "finished.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        return [dict(f.split("=", 1) for f in line.split() if "=" in f) for line in lines]

    def calls(self) -> dict[str, int]:
        """Client -> number of its calls so far."""
        names = (self.folder / "calls.txt").read_text().split()
        return {name: names.count(name) for name in sorted(set(names))}

    def clear(self) -> None:
        """Cancel all jobs, and forget those that are finished."""
        self.run("scancel", "--full", "--user=root")
        self._wait(lambda: not self.run("squeue", "-h").strip())
        path = self.folder / "finished.txt"
        if path.exists():
            os.truncate(path, 0)

    def stop(self) -> None:
        """Cancel all jobs and stop all daemons."""
        self.clear()
        daemons = [self.folder / f"slurmd-{n}.pid" for n in NODES]
        for pid in (*daemons, self.folder / "slurmctld.pid", self.folder / "munge/munged.pid"):
            if pid.exists():
                _end(int(pid.read_text()))
        for pid in self._left_processes():
            os.kill(pid, 9)

    def _left_processes(self) -> list[int]:
        """Processes of jobs that outlived their job: without cgroups SLURM misses some.

        Those of a node that was set DOWN, for example.
        """
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                variables = (path / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            inside = f"SLURM_CONF={self.folder}/slurm.conf".encode() in variables
            if inside and any(v.startswith(b"SLURM_JOB_ID=") for v in variables):
                found.append(int(path.name))
        return found


def _end(pid: int) -> None:
    for signal, seconds in ((15, 10.0), (9, 2.0)):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                os.kill(pid, signal)
            except ProcessLookupError:
                return
            time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports
