"""A tiny release without a fault, and one fault after the other in it."""

from __future__ import annotations

from pathlib import Path

from occludenet_build.release import csv_format

A = "{0},0.{1}_a.mp4,dog,d.png,50.00,0.{2},04.00,10.00,25.00,01.00\n"
B = "{0},0.{1}_b.mp4,dog,e.png,60.00,0.{2},05.00,10.00,30.00,01.00\n"
LIST = "file,label\nval_25percent/abseil/0.25_a.mp4,0\nval_25percent/zumba/0.25_b.mp4,1\n"
FILES = {
    "val_d.csv": ",".join(csv_format.header(csv_format.Overall))
    + "\n"
    + A.format("abseil", "25", "25")
    + A.format("abseil", "50", "5")
    + B.format("zumba", "25", "25")
    + B.format("zumba", "50", "5"),
    "val_25.csv": LIST,
    "val_50.csv": LIST.replace("25", "50"),
}
"""Two source clips at two scales, and nothing wrong with them."""


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def edited(edits: dict[str, list[tuple[str, str]] | None]) -> dict[str, str]:
    """FILES with texts replaced; `*` stands for every file, None takes a file away."""
    files = dict(FILES)
    for name, changes in edits.items():
        for each in [name] if name != "*" else list(files):
            if changes is None:
                del files[each]
            for old, new in changes or []:
                assert old in files[each] or name == "*", (each, old)
                files[each] = files[each].replace(old, new)
    return files


def other_split(files: dict[str, str], split: str, *changes: tuple[str, str]) -> dict[str, str]:
    """The same files for another split, after some changes."""
    other = {}
    for name, text in files.items():
        for old, new in (("val_", f"{split}_"), *changes):
            text = text.replace(old, new)
        other[name.replace("val", split)] = text
    return other


LINES = FILES["val_d.csv"].splitlines(keepends=True)
LIST_B = ("val_25percent/zumba/0.25_b.mp4,1\n", "")
GONE_B = {
    "val_25.csv": [LIST_B],
    "val_50.csv": [tuple(t.replace("25", "50") for t in LIST_B)],
}
SWAPPED = {"val_25.csv": [("a.mp4,0", "a.mp4,1"), ("b.mp4,1", "b.mp4,0")]}
SWAPPED["val_50.csv"] = SWAPPED["val_25.csv"]

CASES = [
    # check, edits, findings: severity, split, subject, sources, clips, a part of the detail
    ("malformed", {}, []),
    ("malformed", {"val_25.csv": [(",1\n", ",x\n")]},
     [("error", "val", "val_25.csv", 0, 0, "line 3, column 'label': wanted a whole number")]),
    ("malformed", {"val_25.csv": [(",1\n", ",x\n")], "val_d.csv": [("fps", "rate")]},
     [("error", "val", "val_25.csv", 0, 0, "line 3"),
      ("error", "val", "val_d.csv", 0, 0, "line 1")]),
    ("malformed", {"val_50.csv": [(FILES["val_50.csv"], FILES["val_d.csv"])]},
     [("error", "val", "val_50.csv", 0, 0, "line 1: wanted file,label, got action class,")]),
    ("malformed", {"val_d.csv": [("0.50_a.mp4", "half_a.mp4")]},
     [("error", "val", "val_d.csv", 0, 1, "val_d.csv, line 3: wanted a clip's name such as")]),
    ("malformed", {"val_d.csv": [("0.50_a.mp4", "0.75_a.mp4")]},
     [("error", "val", "val_d.csv", 0, 1, "line 3: wanted a clip at scale 0.5, got '0.75_a")]),
    ("malformed", {"val_25.csv": [("val_25percent/zumba", "val_50percent/zumba")]},
     [("error", "val", "val_25.csv", 0, 1, "line 3: wanted a path in val_25percent/")]),
    ("malformed", {"val_25.csv": [("val_25percent/zumba", "zumba")]},
     [("error", "val", "val_25.csv", 0, 1, "line 3: wanted a path such as val_25percent/")]),
    ("missing_files", {}, []),
    ("missing_files", {"val_50.csv": None},
     [("warning", "val", "val_50.csv", 0, 0, "at scale 0.5")]),
    ("missing_files", {"val_d.csv": None}, [("note", "val", "val_d.csv", 0, 0, "lists only")]),
    ("duplicate", {}, []),
    ("duplicate", {"val_d.csv": [(LINES[1], LINES[1] * 2)]},
     [("error", "val", "a", 1, 1, "abseil, at 0.25: more than once in the overall annotation")]),
    ("listed_not_annotated", {}, []),
    ("listed_not_annotated", {"val_d.csv": None}, []),
    ("listed_not_annotated", {"val_d.csv": [(LINES[3], ""), (LINES[4], "")]},
     [("error", "val", "b", 1, 2, "zumba, at 0.25, 0.5: in the lists, not in")]),
    ("annotated_not_listed", {}, []),
    ("annotated_not_listed", {"val_50.csv": None}, []),
    ("annotated_not_listed", GONE_B, [("error", "val", "b", 1, 2, "zumba, at 0.25, 0.5")]),
    ("incomplete_scales", {}, []),
    ("incomplete_scales", GONE_B, []),
    ("incomplete_scales", {"val_25.csv": [LIST_B]},
     [("error", "val", "b", 1, 1, "zumba, at 0.25: missing in the lists")]),
    ("incomplete_scales", {"val_d.csv": [(LINES[2], "")]},
     [("error", "val", "a", 1, 1, "abseil, at 0.5: missing in the overall annotation")]),
    ("source_in_two_places", {}, []),
    ("source_in_two_places", {"val_50.csv": [("zumba/0.50_b", "zumba/0.50_a")]},
     [("warning", "val", "a", 1, 3, "one source in val/abseil, val/zumba")]),
    ("scales_disagree", {}, []),
    ("scales_disagree", {"val_d.csv": [(LINES[1], LINES[1].replace("25.00", "24.00"))]},
     [("error", "val", "a", 1, 2, "abseil: wanted one fps, got 24.0 at 0.25, 25.0 at 0.5")]),
    ("scales_disagree",
     {"val_d.csv": [(LINES[4], LINES[4].replace("e.png", "f.png").replace("05.00", "06.00"))]},
     [("error", "val", "b", 1, 2, "one occluder, got e.png at 0.25, f.png at 0.5"),
      ("warning", "val", "b", 1, 2, "one occlusion duration, got 5.0 at 0.25, 6.0 at 0.5")]),
    ("fractional_frames", {}, []),
    ("fractional_frames", {"val_d.csv": [("04.00", "04.02")]},
     [("warning", "val", "a", 1, 2, "4.02 s x 25.00 fps = 100.50 frames")]),
    ("not_occluded", {}, []),
    ("not_occluded", {"val_d.csv": [("04.00", "00.00"), ("05.00", "09.90")]},
     [("error", "val", "a", 1, 2, "abseil: occlusion duration 0"),
      ("note", "val", "occluded < 10% of the time", 1, 2, "1 of 2 source clips"),
      ("note", "val", "occluded >= 99% of the time", 1, 2, "1 of 2 source clips")]),
    ("odd_fps", {"val_d.csv": [("25.00", "01.00")]},
     [("warning", "val", "a", 1, 2, "abseil: 1.00 fps"),
      ("note", "val", "fps", 2, 4, "from 1.00 to 30.00")]),
    ("quota", {},
     [("note", "val", "usual quota", 2, 0, "2 of 2 classes have 1 source clips of each")]),
    ("quota", {"val_d.csv": [("b.mp4,dog", "b.mp4,cat")]},
     [("note", "val", "usual quota", 2, 0, "0 of 2 classes have 1 source clips of each"),
      ("note", "val", "abseil", 1, 0, "off it: dog 1, cat 0"),
      ("note", "val", "zumba", 1, 0, "off it: dog 0, cat 1")]),
    ("occluder_in_two_splits", {},
     [("note", "val", "occluders", 0, 0, "2 distinct occluders; one")]),
    ("occluder_use", {"val_d.csv": [("e.png", "d.png")]},
     [("note", "val", "dog", 2, 0, "1 of this type in 2 source clips; d.png in 2 of them")]),
    ("label_ids", {}, []),
    ("label_ids", {"val_50.csv": [(",1\n", ",2\n")]},
     [("error", None, "zumba", 1, 2, "ids 1, 2 for one class")]),
    ("label_ids", {"val_25.csv": [(",1\n", ",0\n")], "val_50.csv": [(",1\n", ",0\n")]},
     [("error", None, "abseil", 1, 2, "id 0, which stands for zumba too"),
      ("error", None, "zumba", 1, 2, "id 0, which stands for abseil too")]),
    ("label_ids", SWAPPED,
     [("warning", None, "abseil", 1, 2, "id 1 in the lists, 0 in plainly sorted names"),
      ("warning", None, "zumba", 1, 2, "id 0 in the lists, 1 in plainly sorted names")]),
    ("class_names", {}, []),
    ("class_names", {"*": [("zumba", "Zoë's (own)")]},
     [("note", None, "spaces", 0, 2, "1 of 2 class folders have spaces: Zoë's (own)"),
      ("note", None, "parentheses", 0, 2, "1 of 2"),
      ("note", None, "quotes or apostrophes", 0, 2, "1 of 2")]),
    ("header_row", {},
     [("note", None, "file,label", 0, 0, "2 lists begin with the row file,label")]),
]  # fmt: skip
