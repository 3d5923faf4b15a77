"""acquire coco: what is fetched of COCO, from a server on loopback."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import REPO
from support.coco import square
from support.coco_site import SmallCoco, name, zipped
from support.server import corrupt, drop, forever, instead, status

from occludenet_build.core import failures, versions
from occludenet_build.core.errors import TRANSIENT, UserError
from occludenet_build.sources.transfer import checks

WANTED = {1, 2, 3, 4}
PHOTOS = {f"/photos/{number}" for number in WANTED}


@pytest.fixture
def coco(site, tmp_path):
    """Two folders down, so that what climbs out of it is found."""
    root = tmp_path / "some" / "where"
    root.mkdir(parents=True)
    return SmallCoco(root, site)


def everything(coco):
    return set(coco.root.parents[1].rglob("*"))


def bank(coco: SmallCoco, note: dict, **settings) -> dict:
    """What the stage occluders makes of the note."""
    coco.world.images = Path(note["images"])
    return coco.world.rows(**settings)


def test_only_what_the_bank_needs_is_fetched(coco):
    note = coco.acquire()
    assert sorted(coco.asked()) == sorted(["/annotations.zip", *PHOTOS])
    assert coco.there() == {name(number) for number in WANTED}
    rows = coco.rows()
    assert set(rows) == WANTED and {row["status"] for row in rows.values()} == {"ok"}
    row, content = rows[2], (coco.world.images / name(2)).read_bytes()
    assert (row["file_name"], row["address"]) == (name(2), coco.site.url("/photos/2"))
    assert (row["licence"], row["flickr_url"]) == ("Attribution License", "http://flickr/2")
    assert row["licence_url"] == "http://a.b/by/2.0/" and row["categories"] == ["dog"]
    assert (row["bytes"], row["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert note["images"] == str(coco.folder / "images") and len(note["wanted"]) == 32
    assert note["instances_sha256"] == hashlib.sha256(coco.content()).hexdigest()
    assert [row["status"] for row in bank(coco, note).values()].count("ok") == 4


def test_the_bank_is_that_of_a_folder_with_everything(coco):
    coco.world.rows()
    whole = coco.world.out.read_bytes()
    note = coco.acquire()
    bank(coco, note)
    assert coco.world.out.read_bytes() == whole


def local(coco, kind):
    path = coco.root / f"mine.{kind}"
    path.write_bytes(coco.site.entities[SERVED[kind]].content)
    return str(path)


SERVED = {"zip": "/annotations.zip", "json": "/instances.json"}


@pytest.mark.parametrize("kind", SERVED)
@pytest.mark.parametrize("where", ["address", "file"])
def test_instances_are_a_json_or_a_zip_from_anywhere(coco, kind, where):
    source = coco.site.url(SERVED[kind]) if where == "address" else local(coco, kind)
    sha256 = hashlib.sha256(coco.site.entities[SERVED[kind]].content).hexdigest()
    for expected in (None, sha256):
        note = coco.acquire(coco_instances=source, coco_sha256=expected)
        assert Path(note["instances"]).read_bytes() == coco.content()
        assert Path(note["instances"]).is_relative_to(coco.folder) == (
            (where, kind) != ("file", "json")
        )
    assert len(coco.site.of(SERVED[kind])) == (where == "address")
    assert not list(coco.folder.glob("*.zip")), "the zip is not kept"
    assert not list(coco.folder.rglob("instances_val2017.json")), "only the member is unpacked"


def test_the_member_is_a_setting(coco):
    with pytest.raises(UserError, match=r"coco_member: wanted 'none.json' in .* it has 'annot"):
        coco.acquire(coco_member="none.json")
    note = coco.acquire(coco_member="annotations/instances_train2017.json")
    assert Path(note["instances"]).name == "instances_train2017.json"
    assert len(coco.site.of("/annotations.zip")) == 1, "the zip was there still"


@pytest.mark.parametrize("ending", ["/train2017", "/train2017/", "/get?file="])
def test_images_at_an_address_that_names_are_added_to(coco, ending):
    for number in WANTED:
        content = (coco.world.images / name(number)).read_bytes()
        coco.site.put(f"/get?file={name(number)}", content)
    coco.acquire(coco_images=coco.site.url(ending))
    between = "" if ending.endswith(("/", "=")) else "/"
    assert {f"{ending}{between}{name(number)}" for number in WANTED} < set(coco.asked())
    assert {row["status"] for row in coco.rows().values()} == {"ok"}


def test_a_second_run_makes_no_request_and_decodes_nothing(coco, monkeypatch):
    first = coco.acquire()
    table, asked = coco.table.read_bytes(), len(coco.asked())
    monkeypatch.setitem(checks.FILE_CHECKS, "image", lambda path: pytest.fail("decoded"))
    assert coco.acquire() == first
    assert coco.acquire(download={"offline": True}) == first
    assert (coco.table.read_bytes(), len(coco.asked())) == (table, asked)


def test_images_that_are_there_and_sound_are_taken(coco):
    images = coco.folder / "images"
    images.mkdir(parents=True)
    for number in (1, 2, 3):
        shutil.copy(coco.world.images / name(number), images)
    (images / name(2)).write_bytes((images / name(2)).read_bytes()[:500])
    shutil.copy(coco.root / "images" / name(4), images / "other.png")
    coco.world.image(9, size=(30, 30))
    shutil.copy(coco.world.images / name(9), images / name(3))
    coco.acquire()
    assert set(coco.asked()) == {"/annotations.zip", "/photos/2", "/photos/3", "/photos/4"}
    assert {row["status"] for row in coco.rows().values()} == {"ok"}
    assert (images / name(3)).read_bytes() == (coco.world.images / name(3)).read_bytes()
    assert (images / "other.png").exists(), "what nobody asked for is left alone"


PAGE = b"<html><body>please log in</body></html>"


def test_what_passes_is_gone_through(coco):
    coco.site.entities["/photos/3"].faults.append(drop(700))
    coco.site.entities["/annotations.zip"].faults.append(status(503))
    coco.acquire()
    assert {row["status"] for row in coco.rows().values()} == {"ok"}


LASTING = {
    "404": (status(404), "not_found"),
    "410": (status(410), "gone"),
    "500": (status(500), "server_error"),
    "a page": (instead(PAGE), "not_an_image"),
    "damaged": (corrupt(900), "not_an_image"),
}


@pytest.mark.parametrize(("fault", "reason"), LASTING.values(), ids=LASTING)
def test_an_image_that_fails_is_a_row_and_missing_in_the_bank(coco, fault, reason):
    entity = coco.site.entities["/photos/3"]
    entity.faults.append(forever(fault))
    note = coco.acquire()
    rows = coco.rows()
    assert (rows[3]["status"], rows[3]["reason"]) == ("failed", reason)
    assert rows[3]["sha256"] is None and rows[3]["bytes"] is None
    assert coco.there() == {name(number) for number in WANTED - {3}}
    assert {n: row["reason"] for n, row in bank(coco, note).items() if n in WANTED} == {
        1: None, 2: None, 3: "image_missing", 4: None
    }  # fmt: skip
    before = len(coco.site.of("/photos/3"))
    asked_again = failures.attempts(coco.out)
    assert asked_again == (reason in TRANSIENT), "by the next plain start"
    entity.faults.clear()
    again = coco.acquire(download={"failure_budget": 0.25})
    if reason in ("not_found", "gone"):
        assert again == note and len(coco.site.of("/photos/3")) == before
    else:
        assert again["wanted"] != note["wanted"] and coco.rows()[3]["status"] == "ok"
    assert len(coco.site.of("/photos/1")) == 1
    assert failures.attempts(coco.out) == asked_again


def test_what_the_server_did_not_have_is_asked_for_elsewhere(coco):
    coco.site.entities["/photos/3"].faults.append(forever(status(404)))
    coco.acquire()
    coco.acquire(coco_images=coco.site.url("/train2017"))
    assert {row["status"] for row in coco.rows().values()} == {"ok"}
    assert [p for p in coco.asked() if "/train2017/" in p] == [f"/train2017/{name(3)}"]


def test_what_was_put_there_by_hand_ends_a_failure(coco):
    coco.site.entities["/photos/3"].faults.append(forever(status(404)))
    coco.acquire()
    shutil.copy(coco.world.images / name(3), coco.folder / "images")
    asked = len(coco.asked())
    coco.acquire(download={"offline": True})
    assert coco.rows()[3]["status"] == "ok" and len(coco.asked()) == asked


def test_an_image_of_another_size_than_stated(coco):
    coco.world.image(9, size=(61, 40))
    coco.site.put("/photos/3", (coco.world.images / name(9)).read_bytes())
    note = coco.acquire()
    row = coco.rows()[3]
    assert (row["reason"], row["detail"]) == ("image_unreadable", "61x40, stated as 60x40")
    assert name(3) not in coco.there()
    assert bank(coco, note)[3]["reason"] == "image_missing"
    with pytest.raises(UserError, match="1 of 4 images failed, more than download"):
        coco.acquire(download={"failure_budget": 0.1})


def test_the_failure_budget_stops_and_a_mended_server_goes_on(coco):
    for number in (2, 3):
        coco.site.entities[f"/photos/{number}"].faults.append(forever(status(404)))
    strict = {"failure_budget": 0.3, "parallel": 1}
    for _ in range(2):
        with pytest.raises(UserError, match="2 of 4 failed, more than download"):
            coco.acquire(download=strict)
    assert not coco.out.exists()
    for number in (2, 3):
        coco.site.entities[f"/photos/{number}"].faults.clear()
    coco.acquire(download=strict)
    assert {row["status"] for row in coco.rows().values()} == {"ok"}
    assert len(coco.site.of("/photos/1")) == 1


def test_another_limit_fetches_only_what_is_new(coco):
    few = coco.acquire(occluders={"min_pixels": 150})
    assert set(coco.rows()) == {3, 4}
    more = coco.acquire(occluders={"min_pixels": 5})
    assert set(coco.rows()) == {*WANTED, 5} and more["wanted"] != few["wanted"]
    dogs = coco.acquire(occluders={"categories": ["dog"]})
    assert set(coco.rows()) == {2} and dogs["wanted"] not in (few["wanted"], more["wanted"])
    assert sorted(coco.asked()) == sorted(["/annotations.zip", *PHOTOS, "/photos/5"])


def test_a_folder_of_images_fetches_nothing(coco):
    note = coco.acquire(coco_images=str(coco.world.images), coco_instances=str(coco.world.file))
    assert note == {
        "images": str(coco.world.images),
        "instances": str(coco.world.file),
        "instances_sha256": hashlib.sha256(coco.content()).hexdigest(),
    }
    assert not coco.asked() and not coco.folder.exists()


def test_the_hash_that_is_set_must_be_that_of_the_file_as_given(coco):
    other = "0" * 64
    for source in (coco.site.url("/annotations.zip"), local(coco, "zip"), local(coco, "json")):
        with pytest.raises(UserError, match="0000000") as caught:
            coco.acquire(coco_instances=source, coco_sha256=other)
        assert "\n" not in str(caught.value)
    assert not coco.out.exists() and not list(coco.folder.rglob("*.json"))


def changed_setting(coco, note):
    return {"coco_sha256": "0" * 64}


def changed_json(coco, note):
    Path(note["instances"]).write_bytes(coco.content().replace(b"dog", b"cat"))


def changed_zip(coco, note):
    Path(note["instances"]).unlink()
    coco.site.put("/annotations.zip", zipped({"instances_train2017.json": coco.content()}))


def changed_image(coco, note):
    shutil.copy(coco.world.images / name(5), coco.folder / "images" / name(2))


def changed_on_the_server(coco, note):
    (coco.folder / "images" / name(2)).unlink()
    coco.site.put("/photos/2", (coco.world.images / name(5)).read_bytes())


CHANGES = {
    changed_setting: "acquire.coco_sha256: wanted 000.* was fetched on .* correct the setting",
    changed_json: "as it was unpacked, with .*: it has changed; remove it",
    changed_zip: "the server has another file than on .*; if the new one is correct, remove",
    changed_image: r"as they were fetched, 1 of 4 have changed, the first .*2\.png; remove those",
    changed_on_the_server: "photos/2: the server has another image .*wanted .*, got .*; if the",
}


@pytest.mark.parametrize(
    ("change", "says"), CHANGES.items(), ids=[change.__name__ for change in CHANGES]
)
def test_a_hash_that_changes_later_stops_the_build(coco, change, says):
    settings = change(coco, coco.acquire()) or {}
    coco.out.unlink()
    for _ in range(2):
        with pytest.raises(UserError, match=says) as caught:
            coco.acquire(**settings)
        assert "\n" not in str(caught.value)
    assert not coco.out.exists()


def test_what_those_lines_say_helps(coco):
    first = coco.acquire()
    changed_json(coco, first)
    changed_image(coco, first)
    Path(first["instances"]).unlink()
    (coco.folder / "images" / name(2)).unlink()
    assert coco.acquire() == first
    changed_on_the_server(coco, first)
    shutil.rmtree(coco.out.parent / "store" / "coco_images")
    again = coco.acquire()
    assert again["wanted"] != first["wanted"] and len(coco.site.of("/photos/1")) == 1


def test_killed_in_the_middle(coco):
    """Of four images two are slow: what was finished is not asked for again, parts are gone on."""
    slow = [coco.site.entities[f"/photos/{number}"] for number in (3, 4)]
    for number, entity in zip((3, 4), slow, strict=True):
        # a comment, so that there is something to wait for
        path = coco.world.images / name(number)
        entity.content = path.read_bytes() + bytes(300_000)
        entity.pause = 5.0
    process = subprocess.Popen(coco.command(), cwd=REPO, stderr=subprocess.DEVNULL)
    journal = coco.out.parent / "store" / "coco_images" / "journal"
    until = time.monotonic() + 60
    while len(list(journal.glob("*.parquet"))) < 2 or _begun(coco.folder) < 2:
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not coco.out.exists()
    for entity in slow:
        entity.pause = 0
    done = coco.run()
    assert done.returncode == 0, done.stderr
    assert len(coco.site.of("/annotations.zip")) == 1
    assert [len(coco.site.of(f"/photos/{n}")) for n in (1, 2, 3, 4)] == [1, 1, 2, 2]
    assert all(coco.site.of(f"/photos/{n}")[-1].range for n in (3, 4))
    assert {row["status"] for row in coco.rows().values()} == {"ok"}
    assert coco.there() == {name(number) for number in WANTED}


def _begun(folder: Path) -> int:
    """Parts that hold something, and the note of what they are parts of."""
    parts = [path for path in folder.rglob("*.part") if path.stat().st_size]
    return sum(path.with_name(f"{path.name}.json").exists() for path in parts)


@pytest.mark.parametrize("moment", ["before the record", "before the zip was removed"])
def test_killed_around_the_zip(coco, moment):
    note = coco.acquire()
    json_file = Path(note["instances"])
    archive = json_file.parent.with_name(json_file.parent.name.removesuffix(".unpacked"))
    archive.write_bytes(coco.site.entities["/annotations.zip"].content)
    if moment == "before the record":
        json_file.with_name(f"{json_file.name}.record.json").unlink()
        json_file.write_bytes(b"half")
    assert coco.acquire() == note
    assert not archive.exists() and len(coco.site.of("/annotations.zip")) == 1


def test_offline_lists_what_is_missing(coco, caplog):
    with pytest.raises(UserError, match=r"coco_instances: .*downloads are switched off"):
        coco.acquire(download={"offline": True})
    for number in range(11, 25):
        coco.world.image(number)
        coco.world.instance(number, square(3, 3, 10))
    coco.publish()
    coco.acquire(coco_images=str(coco.world.images))
    asked = len(coco.asked())
    (coco.folder / "images").mkdir()
    shutil.copy(coco.world.images / name(1), coco.folder / "images")
    cut = (coco.world.images / name(2)).read_bytes()[:500]
    (coco.folder / "images" / name(2)).write_bytes(cut)
    caplog.clear()
    with pytest.raises(UserError, match="17 of 18 images are not there, and downloads are") as one:
        coco.acquire(download={"offline": True})
    lines = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert "photos/2: offline" in lines[0] and len(lines) == 12
    assert lines[-1] == "and 7 more" and name(2) in lines[1]
    assert "\n" not in str(one.value) and len(coco.asked()) == asked
    assert coco.run("--offline").returncode == 2


def test_offline_goes_on_without_what_was_not_to_be_had(coco):
    coco.site.entities["/photos/3"].faults.append(forever(status(500)))
    note = coco.acquire()
    asked, table = len(coco.asked()), coco.table.read_bytes()
    assert coco.acquire(download={"offline": True}) == note
    assert (len(coco.asked()), coco.table.read_bytes()) == (asked, table)
    with pytest.raises(UserError, match="1 of 4 images failed"):
        coco.acquire(download={"offline": True, "failure_budget": 0.1})
    (coco.folder / "images" / name(2)).unlink()
    with pytest.raises(UserError, match="1 of 4 images are not there"):
        coco.acquire(download={"offline": True})


HOSTILE = {
    "../../x.png": "unsafe_path",
    "/tmp/x.png": "unsafe_path",
    "a/../../x.png": "unsafe_path",
    "C:\\x.png": "unsafe_name",
    "x\n.png": "unsafe_name",
    "x\0.png": "unsafe_name",
    "x\x1b[31m.png": "unsafe_name",
    "": "unsafe_name",
    ".": "unsafe_name",
    ".lock": "unsafe_name",
    f".{name(1)}.part": "unsafe_name",
    "x" * 300 + ".png": "unsafe_name",
    name(1): "name_clash",
    name(1).upper(): "name_clash",
    f"{name(1)}/x.png": "name_clash",
}


@pytest.mark.parametrize("source", [None, "/train2017/"])
def test_hostile_names_write_nothing_outside(coco, source):
    numbers = dict(enumerate(HOSTILE, 100))
    for number in numbers:
        coco.world.image(number)
        coco.world.instance(number, square(3, 3, 10))
    coco.publish()
    for image in coco.world.data["images"][7:]:
        image["file_name"] = numbers[image["id"]]
    coco.publish_instances()
    before = everything(coco)
    note = coco.acquire(coco_images=source and coco.site.url(source))
    rows = coco.rows()
    assert {hostile: rows[n]["reason"] for n, hostile in numbers.items()} == HOSTILE
    assert {rows[number]["status"] for number in WANTED} == {"ok"}
    assert coco.there() == {name(number) for number in WANTED}
    new = [p for p in everything(coco) - before if not p.is_relative_to(coco.root / "shared")]
    assert all(p.is_relative_to(coco.out.parent) for p in new)
    assert len(coco.asked()) == 5
    found = bank(coco, note)
    assert {row["reason"] for row in found.values() if row["coco_image"] in numbers} <= {
        "image_missing", None
    }  # fmt: skip
    with pytest.raises(UserError, match="15 of 19 images failed"):
        coco.acquire(download={"failure_budget": 0.5}, coco_images=source and coco.site.url(source))


def test_a_link_in_the_folder_leads_nowhere(coco):
    (coco.folder / "images").mkdir(parents=True)
    (coco.root / "elsewhere").mkdir()
    (coco.folder / "images" / "sub").symlink_to(coco.root / "elsewhere")
    coco.world.data["images"][0]["file_name"] = "sub/1.png"
    coco.publish_instances()
    coco.acquire()
    assert coco.rows()[1]["reason"] == "unsafe_link"
    assert not list((coco.root / "elsewhere").iterdir())


def test_addresses_that_are_none(coco):
    for number, address in zip(WANTED, [None, "file:///etc/passwd", "ftp://h/x", ""], strict=True):
        coco.world.data["images"][number - 1]["coco_url"] = address
    coco.publish_instances()
    coco.acquire()
    assert {row["reason"] for row in coco.rows().values()} == {"bad_url"}
    assert coco.asked() == ["/annotations.zip"]


MEMBER = "instances_train2017.json"
ZIPS = {
    "climbs": ({f"../../{MEMBER}": b"{}"}, "unsafe_path"),
    "absolute": ({f"/tmp/{MEMBER}": b"{}"}, "unsafe_path"),
    "two of the name": ({f"a/{MEMBER}": b"{}", f"b/{MEMBER}": b"{}"}, "name_clash"),
    "a bomb": ({MEMBER: bytes(200_000_000)}, "archive_bomb"),
    "another": ({"captions.json": b"{}"}, "coco_member: wanted 'instances_train2017.json'"),
    "nothing": ({}, "not_json"),
    "a fork of a mac": ({f"__MACOSX/._{MEMBER}": b"{}"}, "it has no file"),
    "no COCO": ({MEMBER: b"[1, 2]"}, "wanted COCO instances"),
    "no JSON": ({MEMBER: b"hello"}, "wanted COCO instances"),
}


@pytest.mark.parametrize(("files", "says"), ZIPS.values(), ids=ZIPS)
def test_hostile_zips(coco, files, says):
    coco.site.put("/annotations.zip", zipped(files))
    with pytest.raises(UserError, match=says) as caught:
        coco.acquire()
    assert "\n" not in str(caught.value) and not coco.out.exists()
    found = {path for path in everything(coco) if path.name == MEMBER}
    assert all(path.is_relative_to(coco.folder) for path in found)
    assert coco.asked() == ["/annotations.zip"]


@pytest.mark.parametrize("evil", [{f"../{MEMBER}x": b"x"}, {"/abs": b"x"}, {"a\\b": b"x"}])
def test_what_else_is_in_a_zip_does_not_matter(coco, evil):
    coco.site.put("/annotations.zip", zipped(evil | {MEMBER: coco.content()}))
    note = coco.acquire()
    assert {p.name for p in Path(note["instances"]).parent.iterdir()} == {
        MEMBER, f"{MEMBER}.record.json"
    }  # fmt: skip


PAGES = {
    "a page": instead(PAGE),
    "half a zip": lambda handler, entity: handler.answer(200, entity.content[:-30]),
    "damaged": corrupt(60),
    "none": status(404),
}


@pytest.mark.parametrize("fault", PAGES.values(), ids=PAGES)
def test_what_is_no_instances_file_is_not_recorded(coco, fault):
    coco.site.entities["/annotations.zip"].faults.append(fault)
    with pytest.raises(UserError, match=r"annotations.zip: not (usable|fetched)") as caught:
        coco.acquire()
    assert "\n" not in str(caught.value)
    assert [p.name for p in coco.folder.iterdir()] == [".lock"]
    coco.acquire()


def test_a_broken_file_that_was_put_there_is_left_to_its_owner(coco):
    note = coco.acquire()
    archive = Path(note["instances"]).parent
    archive = archive.with_name(archive.name.removesuffix(".unpacked"))
    shutil.rmtree(coco.folder)
    coco.folder.mkdir()
    archive.write_bytes(PAGE)
    with pytest.raises(UserError, match=r"not usable: not_json.*; remove .* to fetch it"):
        coco.acquire()
    assert archive.read_bytes() == PAGE


def test_nothing_is_wanted(coco):
    with pytest.raises(
        UserError, match="coco_instances: wanted a JSON file, or a zip that contain"
    ):
        coco.acquire(coco_instances=None)
    note = coco.acquire(occluders={"min_pixels": 2000})
    assert coco.rows() == {} and Path(note["images"]).is_dir()


def test_the_command_line(coco):
    done = coco.run()
    assert done.returncode == 0, done.stderr
    assert "4 of 4 images are present" in done.stderr
    assert json.loads(coco.out.read_text())["images"] == str(coco.folder / "images")
    coco.site.entities["/annotations.zip"].content = b""
    for change, says in (
        ({"coco_instances": "none.json"}, "acquire.coco_instances: wanted an existing path"),
        ({"occluders": {"categories": ["cat"]}}, "occluders.categories: wanted categories of"),
        ({"coco_sha256": "0" * 64}, "acquire.coco_sha256: wanted 000"),
    ):
        done = coco.run(**change)
        assert (done.returncode, says in done.stderr) == (2, True), done.stderr
        assert "Traceback" not in done.stderr


def test_reading_coco_counts_for_coco_alone():
    reads = {
        m for m in versions.package_modules() if m.startswith("occludenet_build.sources.coco.")
    }
    assert reads & versions.import_closure("occludenet_build.sources.acquire.coco")
    for part in ("videos", "recorded"):
        assert not reads & versions.import_closure(f"occludenet_build.sources.acquire.{part}")


def test_the_real_coco_from_a_server(real_data, site, tmp_path):
    """The bank of the fetched copy is that of the folder, to the byte."""
    wanted = {"categories": ["backpack", "handbag", "suitcase", "dog"], "min_pixels": 5_000}
    source = real_data / "coco"
    coco = SmallCoco(tmp_path, site)
    coco.world.data = json.loads((source / "instances.json").read_text())
    coco.publish_instances()
    for image in coco.world.data["images"]:
        path = source / "images" / image["file_name"]
        site.put(f"/train2017/{image['file_name']}", path.read_bytes(), drop(5000), status(503))
    coco.world.images = source / "images"
    whole = coco.world.rows(**wanted, gates={})
    table = coco.world.out.read_bytes()
    settings = {"coco_images": site.url("/train2017"), "occluders": wanted | {"gates": {}}}
    note = coco.acquire(**settings, download={"retries": 3})
    rows = coco.rows()
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert len(rows) < len(coco.world.data["images"]), "some are not needed"
    assert bank(coco, note, **wanted, gates={}) == whole
    assert coco.world.out.read_bytes() == table
    asked = len(coco.asked())
    assert coco.acquire(**settings) == note
    assert len(coco.asked()) == asked
