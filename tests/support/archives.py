"""Archives in memory: tar and zip of given members, hostile ones too."""

from __future__ import annotations

import io
import tarfile
import zipfile

TIME = 1_600_000_000


def tar_of(*members: tuple[str | tarfile.TarInfo, bytes], **options) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", **options) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name) if isinstance(name, str) else name
            if member.isreg():
                member.size, member.mtime = len(content), TIME
            tar.addfile(member, io.BytesIO(content))
    return sink.getvalue()


def zip_of(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            member = zipfile.ZipInfo(name) if isinstance(name, str) else name
            archive.writestr(member, content, zipfile.ZIP_DEFLATED)
    return sink.getvalue()


def info(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = kind, link, 0o6777
    return member
