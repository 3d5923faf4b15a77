"""Settings and results versions of two builds that differ."""

from __future__ import annotations

import ast
import base64
import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from occludenet_build.config import Config
from occludenet_build.core.start_record import read_settings
from occludenet_build.stages import STAGES


@dataclass(frozen=True)
class Recorded:
    """Settings and versions of a build, as far as they are known."""

    settings: dict[str, Any]
    versions: dict[str, str]
    origin: str
    """Where they are from: settings.json, snakemake or nothing."""


@dataclass(frozen=True)
class Difference:
    """A setting or a version that differs."""

    name: str
    """As composite.crf; of a version, the stage."""
    here: Any
    """In BUILD_A; DEFAULT: it is not recorded, because it has its default."""
    there: Any

    def __str__(self) -> str:
        return f"{self.name} {_short(self.here)} -> {_short(self.there)}"


DEFAULT = "its default"
"""Stands for the value of a setting that the older of two versions did not have yet."""


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 60 else f"{text[:57]}..."


def recorded(build: Path) -> Recorded:
    """The settings of a build: its own record, else what Snakemake has noted of its jobs."""
    found = read_settings(build)
    if found is not None:
        return Recorded(*found, origin="settings.json")
    settings, versions = _noted(build)
    return Recorded(settings, versions, "snakemake" if settings else "nothing")


def _noted(build: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Settings and versions from the params that Snakemake noted for an output of each stage."""
    settings: dict[str, Any] = {}
    versions: dict[str, str] = {}
    for stage in STAGES.values():
        params = next(_params(build, stage.tables.values()), [])
        for text in params:
            if text.startswith('{"'):
                given = json.loads(text)
                own = {stage.name: given[stage.name]} if stage.name in given else {}
                settings = given | settings | own
            elif re.fullmatch(r"[a-z_]+ \d+(, [a-z_]+ \d+)*( \w{24})?(, attempt \d+)?", text):
                versions[stage.name] = text.split(", attempt ")[0]
    # of train, each job notes those of its own arm
    return {name: part for name, part in settings.items() if name != "train"}, versions


def _params(build: Path, patterns: Any) -> Iterator[list[str]]:
    build = build.absolute()
    for path in (path for pattern in patterns for path in sorted(build.glob(pattern))):
        for folder in build.parents:
            name = base64.b64encode(path.relative_to(folder).as_posix().encode()).decode()
            try:
                text = (folder / ".snakemake" / "metadata" / name).read_text()
                yield [str(ast.literal_eval(param)) for param in json.loads(text)["params"]]
            except (OSError, ValueError, KeyError, SyntaxError, TypeError):
                continue


def differences(one: Recorded, two: Recorded) -> list[Difference]:
    """The settings that differ, by name. Paths are not compared, nor what one record lacks, unless
    it lacks it because it is a default."""
    here, there, found = one.settings, two.settings, []
    complete = one.origin == two.origin == "settings.json"
    for section in sorted(here.keys() & there.keys() - {"build_dir", "rerun_on"}):
        a, b = dict(_flat(here[section], section)), dict(_flat(there[section], section))
        names = a.keys() | b.keys() if complete else a.keys() & b.keys()
        for name in sorted(names - places()):
            left, right = a.get(name, DEFAULT), b.get(name, DEFAULT)
            if left != right:
                found.append(Difference(name, left, right))
    return found


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}")
    else:
        yield name, value


@cache
def places() -> frozenset[str]:
    """Names of the settings that are paths: what lies there counts, not where."""
    found = set()
    for section in dataclasses.fields(Config):
        default = getattr(Config(), section.name)
        if dataclasses.is_dataclass(default):
            fields = dataclasses.fields(default)
            found |= {f"{section.name}.{f.name}" for f in fields if f.metadata.get("path")}
    return frozenset(found)


def of_stage(found: list[Difference], stage: str) -> list[Difference]:
    """Those of the differing settings that a stage depends on."""
    sections = {stage, *STAGES[stage].borrows, *(["seed"] if STAGES[stage].draws else [])}
    return [one for one in found if one.name.split(".")[0] in sections]


def version_differences(one: Recorded, two: Recorded) -> list[Difference]:
    """The stages whose results versions differ, in a part that both records name."""
    here, there = one.versions, two.versions
    stages = [name for name in STAGES if name in here and name in there]
    return [Difference(s, here[s], there[s]) for s in stages if _differ(here[s], there[s])]


def _differ(here: str, there: str) -> bool:
    """Whether two versions differ: a number of a part that both name, or the digest of the code.

    >>> _differ("train 1", "train 1, pairs 2"), _differ("index 1, facts 1", "index 1, facts 2")
    (False, True)
    """
    one, two = (dict(re.findall(r"([a-z_]+) (\d+)(?=,| |$)", text)) for text in (here, there))
    digests = [re.findall(r" ([0-9a-f]{24})$", text) for text in (here, there)]
    return digests[0] != digests[1] or any(one[p] != two[p] for p in one.keys() & two.keys())
