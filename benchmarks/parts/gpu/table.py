"""The results of a run as a table in Markdown, for docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Values = dict[str, Any]

RECOVERED = {True: "recovers", False: "does NOT recover"}


def table_of(results: Values) -> str:
    """The table; a figure that was not measured is the reason why."""
    lines = ["| what | figure |", "|---|---|"]
    for name, found in results["measurements"].items():
        lines += [f"| {what} | {figure} |" for what, figure in _rows(name, found)]
        lines += [f"| {name} | not measured: {error} |" for error in errors_of(found)]
    return "\n".join(lines)


def errors_of(found: Values) -> list[str]:
    """Errors of a measurement and of its parts."""
    parts = {name: value for name, value in found.items() if isinstance(value, dict)}
    own = [found["error"]] if "error" in found else []
    return own + [f"{name}: {part['error']}" for name, part in parts.items() if "error" in part]


def _rows(name: str, found: Values) -> Iterator[tuple[str, str]]:
    if name == "machine":
        yield "machine", _machine(found)
    for part, value in found.items():
        if isinstance(value, dict) and "error" in value:
            continue
        if name == "detect" and part.startswith("batch_"):
            yield f"detect, {part.replace('_', ' ')}", _detect(value)
        elif part == "decoding_frames_per_second" and isinstance(value, float):
            yield "decoding and letterboxing alone", f"{value:g} frames/s"
        elif part == "masks":
            yield f"{name}, masks", f"{value['per_second']:g}/s{_busy(value)}{_memory(value)}"
        elif part == "encoder_frames_per_second" and isinstance(value, float):
            yield f"{name}, image encoder alone", f"{value:g} frames/s"
        elif part == "loop":
            yield "train_loop", f"{value['steps_per_second']:g} steps/s{_busy(value)}"
        elif name.startswith("train_") and isinstance(value, dict):
            yield f"{name}, {part.replace('_', ', ')}", _train(value)
        elif name == "processes" and isinstance(value, dict):
            yield f"processes, {part}", _processes(value)
        elif name == "memory" and isinstance(value, dict):
            yield f"memory, {part}", RECOVERED[value["recovered"]]


def _machine(found: Values) -> str:
    torch = found.get("torch") or {}
    gpus = ", ".join(f"{one['name']}, {one['memory_gib']:g} GiB" for one in torch.get("gpus", []))
    return f"{gpus or 'no GPU'}; {found.get('cores')} cores; torch {torch.get('version')}"


def _detect(value: Values) -> str:
    return (
        f"{value['frames_per_second']:g} frames/s, bare model "
        f"{value['bare_model_frames_per_second']:g} ({'float16' if value['half'] else 'float32'}), "
        f"ratio {value['rate_ratio_to_bare_model']:g}{_busy(value)}{_memory(value)}"
    )


def _train(value: Values) -> str:
    return (
        f"{value['steps_per_second']:g} steps/s of {value['batch']} clips "
        f"({value['frames']}x{value['size']}){_memory(value)}"
    )


def _processes(value: Values) -> str:
    told = f"{value['steps_per_second']:g} steps/s"
    if "largest_difference" in value:
        told += f"; weights apart by {value['largest_difference']:.1e}"
        told += f", of a change of {value['largest_change']:.1e}"
    return told


def _busy(value: Values) -> str:
    percent = value.get("utilisation_percent")
    return "" if percent is None else f", GPU busy {percent:g} %"


def _memory(value: Values) -> str:
    used = value.get("memory", {})
    most = used.get("allocated_mib", used.get("resident_mib"))
    return "" if most is None else f", peak {most:.0f} MiB"
