"""Archives that nobody vouches for: nothing is written outside the folder, and nothing is lost."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import random
import signal
import stat
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from conftest import REPO
from support.archives import TIME, info, tar_of, zip_of

from occludenet_build.core import names
from occludenet_build.core.errors import REASONS, ItemError
from occludenet_build.sources.transfer import archives
from occludenet_build.sources.transfer.archives import UnpackLimits, check_archive, unpack

PACKERS = {"tar": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.fixture
def place(tmp_path):
    """place(archive) -> (its path, an empty folder that nothing may leave)."""

    def made(content: bytes) -> tuple[Path, Path]:
        (tmp_path / "work").mkdir(exist_ok=True)
        path = tmp_path / "work" / "archive"
        path.write_bytes(content)
        return path, tmp_path / "work" / "folder"

    yield made
    assert {p.name for p in tmp_path.iterdir()} <= {"work"}, "written outside"
    assert {p.name for p in (tmp_path / "work").iterdir()} <= {"archive", "folder"}
    assert not list(tmp_path.rglob(".*")), "temporary files are left"


def contents(folder: Path) -> dict[str, bytes]:
    found = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


GOOD = [("a.mp4", b"one"), ("./b/c d.mp4", b"two" * 1000), ("b//ünï.mp4", b"three"), ("e", b"")]
ENDS = {"a.mp4": b"one", "b/c d.mp4": b"two" * 1000, "b/ünï.mp4": b"three", "e": b""}
KINDS = {kind: pack(tar_of(*GOOD)) for kind, pack in PACKERS.items()} | {"zip": zip_of(*GOOD)}


@pytest.mark.parametrize("content", KINDS.values(), ids=KINDS.keys())
def test_all_kinds_unpack_and_a_second_run_writes_nothing(place, content):
    path, folder = place(content)
    assert check_archive(path) == 4
    members = list(unpack(path, folder))
    assert [(m.status, m.made) for m in members] == [("ok", True)] * 4
    assert contents(folder) == ENDS
    assert {str(m.target.relative_to(folder)): m.bytes for m in members if m.target} == {
        name: len(content) for name, content in ENDS.items()
    }
    stamps = {p: p.stat().st_ino for p in folder.rglob("*")}
    assert [(m.status, m.made) for m in unpack(path, folder)] == [("ok", False)] * 4
    assert {p: p.stat().st_ino for p in folder.rglob("*")} == stamps


def test_what_is_missing_or_different_is_written_again(place):
    path, folder = place(KINDS["tar"])
    list(unpack(path, folder))
    (folder / "a.mp4").unlink()
    (folder / "e").write_bytes(b"longer")
    (folder / "b/c d.mp4").write_bytes(b"owt" * 1000)  # as long, but later
    made = {m.name for m in unpack(path, folder) if m.made}
    assert made == {"a.mp4", "e", "./b/c d.mp4"} and contents(folder) == ENDS


def test_names_may_be_changed_and_members_left_out(place):
    path, folder = place(KINDS["zip"])
    found = list(unpack(path, folder, lambda name: name.replace("/", "_") if "b" in name else None))
    assert contents(folder).keys() == {"b_c d.mp4", "b_ünï.mp4"} and len(found) == 2
    (refused, *_) = unpack(path, folder, lambda name: "../x")
    assert refused.reason == "unsafe_path"


HOSTILE = {
    "absolute": ("/etc/x", "unsafe_path"),
    "two slashes": ("//x", "unsafe_path"),
    "climbs": ("../x", "unsafe_path"),
    "climbs later": ("a/../../x", "unsafe_path"),
    "climbs within": ("a/../x", "unsafe_path"),
    "ends with dots": ("a/..", "unsafe_path"),
    "a drive": ("C:/x", "unsafe_path"),
    "backslashes": ("..\\x", "unsafe_name"),
    "a line break": ("a\nb", "unsafe_name"),
    "an escape": ("a\x1b[2Jb", "unsafe_name"),
    "right to left": ("a\u202egpm.exe", "unsafe_name"),
    "long": ("x" * 250, "unsafe_name"),
    "long in all": ("/".join(["x" * 200] * 6), "unsafe_name"),
    "deep": ("/".join("x" * 40), "unsafe_name"),
    "another case": ("GOOD.mp4", "name_clash"),
    "the same": ("good.mp4", "name_clash"),
    "composed otherwise": ("u\u0308.mp4", "name_clash"),
    "a file as a folder": ("good.mp4/x", "name_clash"),
    "a folder as a file": ("b", "name_clash"),
    "only dots": ("./.", "unsafe_name"),
}
FIRST = [("good.mp4", b"1"), ("ü.mp4", b"2"), ("b/c", b"3")]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("pack", [tar_of, zip_of])
@pytest.mark.parametrize(("name", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_names_are_refused_and_the_rest_is_unpacked(place, pack, name, reason):
    path, folder = place(pack(*FIRST, (name, b"evil"), ("last.mp4", b"4")))
    found = {m.name: m for m in unpack(path, folder)}
    bad = next(m for m in found.values() if m.status == "failed")
    assert (bad.reason, bad.target) == (reason, None) and reason in REASONS
    assert bad.detail and bad.detail.isprintable()
    assert contents(folder) == {n.removeprefix("./"): c for n, c in [*FIRST, ("last.mp4", b"4")]}


NOT_FILES = {
    "symbolic link out": (info("l", tarfile.SYMTYPE, "/etc/passwd"), "unsafe_link"),
    "symbolic link to above": (info("l", tarfile.SYMTYPE, "../../x"), "unsafe_link"),
    "symbolic link inside": (info("l", tarfile.SYMTYPE, "good.mp4"), "unsafe_link"),
    "hard link out": (info("l", tarfile.LNKTYPE, "/etc/passwd"), "unsafe_link"),
    "device": (info("d", tarfile.CHRTYPE), "special_file"),
    "block device": (info("d", tarfile.BLKTYPE), "special_file"),
    "pipe": (info("d", tarfile.FIFOTYPE), "special_file"),
    "a link with a hostile name": (info("../l", tarfile.SYMTYPE, "x"), "unsafe_path"),
}


@pytest.mark.parametrize(("member", "reason"), NOT_FILES.values(), ids=NOT_FILES.keys())
def test_what_is_no_file_is_refused(place, member, reason):
    path, folder = place(tar_of((member, b""), ("l/x", b"through the link"), *FIRST))
    found = list(unpack(path, folder))
    assert found[0].reason == reason
    assert contents(folder) == dict(FIRST) | {"l/x": b"through the link"}
    assert not any(p.is_symlink() for p in folder.rglob("*"))


def test_links_and_devices_in_zip(place):
    link, pipe = zipfile.ZipInfo("l"), zipfile.ZipInfo("p")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    pipe.external_attr = (stat.S_IFIFO | 0o777) << 16
    path, folder = place(zip_of((link, b"/etc/passwd"), (pipe, b""), *FIRST))
    assert [m.reason for m in unpack(path, folder)][:2] == ["unsafe_link", "special_file"]
    assert contents(folder) == dict(FIRST)


def test_a_link_that_lies_in_the_folder_leads_nowhere(place, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    path, folder = place(tar_of(("sub/x", b"evil"), ("y", b"evil"), *FIRST))
    folder.mkdir()
    (folder / "sub").symlink_to(outside)
    (folder / "y").symlink_to(outside / "y")
    assert [m.reason for m in unpack(path, folder)] == ["unsafe_link"] * 2 + [None] * 3
    assert list(outside.iterdir()) == []


def test_rights_and_owners_are_not_taken_over(place):
    path, folder = place(tar_of((info("x"), b"1")))
    list(unpack(path, folder))
    found = (folder / "x").stat()
    assert not found.st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWOTH)
    assert int(found.st_mtime) == TIME


def test_what_macos_adds_is_passed_over(place):
    extra = [("._good.mp4", b"x"), ("b/._c", b"x"), ("__MACOSX/b/c", b"x"), ("__MACOSX/._b", b"x")]
    for pack in (tar_of, zip_of):
        path, folder = place(pack(*extra, *FIRST))
        assert [m.name for m in unpack(path, folder)] == [name for name, _ in FIRST]
        assert contents(folder) == dict(FIRST)


# the archive as a whole ---------------------------------------------------------------------------

ZEROS = bytes(1 << 24)
SMALL = UnpackLimits(free_bytes=1 << 20)


def overlapping_zip() -> bytes:
    """Many members that are all the same bytes of the file."""
    one = zip_of(("a", ZEROS))
    with zipfile.ZipFile(io.BytesIO(one)) as archive:
        index = one[archive.start_dir : -22]
    many = b"".join(index[:46] + b"%c" % (97 + n) + index[47:] for n in range(20))
    end = one[-22:-14] + b"\x14\x00\x14\x00" + len(many).to_bytes(4, "little") + one[-6:]
    return one[: -22 - len(index)] + many + end


def sparse_tar() -> bytes:
    """A terabyte that is all hole."""
    member = info("hole", tarfile.GNUTYPE_SPARSE)
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[386:410] = b"00000000000\x0000000000000\x00"[:24]
    header[483:495] = b"77777777777\x00"
    header[148:156] = b"        "
    header[148:156] = b"%06o\x00 " % sum(header)
    return bytes(header) + bytes(1024)


def header_of(size: int, kind: bytes) -> bytes:
    member = info("x", kind)
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT)


BOMBS = {
    "gz": gzip.compress(tar_of(("a", ZEROS))),
    "xz": lzma.compress(tar_of(("a", ZEROS))),
    "zip": zip_of(("a", ZEROS)),
    "zip of the same bytes": overlapping_zip(),
    "sparse": sparse_tar(),
    "a header of 16 GiB": gzip.compress(header_of(1 << 34, tarfile.GNUTYPE_LONGNAME)),
    "zeros after the end": gzip.compress(tar_of(("a", b"x")) + ZEROS * 2),
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS.keys())
@pytest.mark.parametrize("does", ["inspect", "unpack"])
def test_bombs(place, content, does):
    path, folder = place(content)
    start = time.monotonic()
    with pytest.raises(ItemError, match="archive_bomb"):
        check_archive(path, SMALL) if does == "inspect" else list(
            unpack(path, folder, limits=SMALL)
        )
    assert time.monotonic() - start < 2
    assert sum(len(c) for c in contents(folder).values()) < 2


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_too_many_members(place, pack):
    path, folder = place(pack(*((f"{n}", b"") for n in range(50))))
    with pytest.raises(ItemError, match="archive_bomb"):
        list(unpack(path, folder, limits=UnpackLimits(members=40)))
    assert len(list(unpack(path, folder, limits=UnpackLimits(members=50)))) == 50


NOISE = random.Random(0).randbytes(50_000)
LONG = tar_of(*((f"{n}.mp4", NOISE) for n in range(5)))
CUTS = {
    "tar in a member": (LONG[:70_000], "truncated"),
    "tar between members": (LONG[: 2 * (512 + 50_176)], "truncated"),
    "tar in a header": (LONG[: 2 * (512 + 50_176) + 100], "truncated"),
    "tar with a broken header": (
        LONG[: 512 + 50_176] + b"\x01" * 512 + LONG[1024 + 50_176 :],
        "corrupt",
    ),
    "gz": (gzip.compress(LONG)[:70_000], "truncated"),
    "gz with a wrong checksum": (gzip.compress(LONG)[:-8] + bytes(8), "corrupt"),
    "bz2": (bz2.compress(LONG)[:-20], "truncated"),
    "xz": (lzma.compress(LONG)[:-20], "truncated"),
    "zip": (zip_of(("a", NOISE))[:-30], "truncated"),
    "zip with a wrong byte": (
        zip_of(("a", NOISE))[:20_000] + b"\0" * 9 + zip_of(("a", NOISE))[20_009:],
        "corrupt",
    ),
    "a page": (b"<!DOCTYPE html>" * 100, "not_an_archive"),
    "nothing": (b"", "not_an_archive"),
    "a short file": (b"hello", "not_an_archive"),
    # Python 3.13 and newer: no header at the start that is one
    "negative length": (
        header_of(-1024, tarfile.REGTYPE) + bytes(1024),
        "not_an_archive" if sys.version_info >= (3, 13) else "corrupt",
    ),
}


@pytest.mark.parametrize(("content", "reason"), CUTS.values(), ids=CUTS.keys())
def test_what_is_not_whole(place, content, reason):
    path, folder = place(content)
    with pytest.raises(ItemError) as caught:
        check_archive(path)
    assert caught.value.reason == reason
    members = []
    try:
        members.extend(unpack(path, folder))
        assert [m.reason for m in members] == [reason]  # a zip's other members may be whole
    except ItemError as error:
        assert error.reason == reason
    assert all(c == NOISE for c in contents(folder).values())


def test_an_encrypted_member_is_a_reason(place):
    content = bytearray(zip_of(("a", b"secret"), ("b", b"open")))
    for at in (content.index(b"PK\x03\x04") + 6, content.index(b"PK\x01\x02") + 8):
        content[at] |= 1
    path, folder = place(bytes(content))
    assert [m.reason for m in unpack(path, folder)] == ["unreadable", None]


def test_a_mistake_of_the_caller_is_not_the_archives_fault(place):
    path, folder = place(KINDS["tar"])
    with pytest.raises(ZeroDivisionError):
        list(unpack(path, folder, lambda name: str(1 // 0)))


CHILD = """
import sys
from pathlib import Path
from occludenet_build.sources.transfer.archives import unpack
for member in unpack(Path(sys.argv[1]), Path(sys.argv[2])):
    print(member.made, flush=True)
"""


@pytest.mark.parametrize("pack", ["tar", "gz", "zip"])
def test_killed_in_the_middle_a_second_run_does_the_rest(tmp_path, pack):
    draw = random.Random(2)
    members = [(f"{n % 7}/{n}.bin", draw.randbytes(40_000)) for n in range(120)]
    path, folder = tmp_path / "archive", tmp_path / "folder"
    path.write_bytes(zip_of(*members) if pack == "zip" else PACKERS[pack](tar_of(*members)))
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), str(folder)], cwd=REPO, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    for _ in range(30):
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    whole = dict(members)
    there = {n: c for n, c in contents(folder).items() if "/." not in n}
    assert 30 <= len(there) < 120 and there.items() <= whole.items()
    made = [m.made for m in unpack(path, folder)]
    assert (len(made), made.count(True)) == (120, 120 - len(there))
    assert contents(folder) == whole


def test_memory_does_not_grow_with_the_members(tmp_path):
    import tracemalloc

    path = tmp_path / "archive"
    path.write_bytes(tar_of(*((f"{n}", b"") for n in range(3000))))
    tracemalloc.start()
    assert check_archive(path) == 3000
    assert tracemalloc.get_traced_memory()[1] < 2_000_000, "1 MiB is read at a time"
    tracemalloc.stop()


def test_inside_is_inside(tmp_path):
    assert names.safe_path(tmp_path, "a/./b") == tmp_path / "a/b"
    (tmp_path / "out").symlink_to("/")
    for name in ("../x", "/x", "out/x", "a/../../x", ""):
        with pytest.raises(ItemError):
            names.safe_path(tmp_path, name)


def test_the_hash_of_what_is_unpacked_is_that_of_what_was_packed(place):
    path, folder = place(gzip.compress(tar_of(("a", NOISE))))
    (member,) = archives.unpack(path, folder)
    assert member.target is not None
    digest = hashlib.sha256(member.target.read_bytes()).hexdigest()
    assert digest == hashlib.sha256(NOISE).hexdigest()
