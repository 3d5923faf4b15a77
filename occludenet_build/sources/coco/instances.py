"""Read COCO's instances file, filtered by category.

The file of train2017 has 450 MB of polygons, of which a bank needs one in thirty; as Python objects
they would take 3 GB. The typed decoder skips unknown fields and keeps each polygon as a view of the
bytes of the file, which InstanceMask parses when the mask is needed.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import msgspec

from occludenet_build.core.errors import UserError
from occludenet_build.sources.coco.photo import Instance, Photo, is_storable

_Id = int | str | None


class _Image(msgspec.Struct, gc=False):
    id: int
    file_name: str | None = None
    width: int | None = None
    height: int | None = None
    license: _Id = None
    flickr_url: str | None = None
    coco_url: str | None = None


class _Annotation(msgspec.Struct, gc=False):
    id: int
    image_id: int
    category_id: int
    iscrowd: int | bool | None = 0
    segmentation: msgspec.Raw = msgspec.Raw()
    bbox: msgspec.Raw = msgspec.Raw()


class _Category(msgspec.Struct):
    id: int
    name: str


class _Licence(msgspec.Struct):
    id: _Id = None
    name: str | None = None
    url: str | None = None


class _File(msgspec.Struct):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]
    licenses: list[_Licence] | None = None


def read_photos(path: Path, categories: tuple[str, ...]) -> list[Photo]:
    """The images with an instance of one of the categories, sorted by id.

    An image whose id is unclear, or that the file lacks, has a `problem`. Raises UserError where
    the file is malformed, or lacks a category.
    """
    file = _read(path)
    names = _category_names(file, categories, path)
    licences = {entry.id: entry for entry in file.licenses or ()}
    held: dict[int, list[Instance]] = {}
    for entry in file.annotations:
        if entry.category_id in names:
            instance = _instance(entry, names[entry.category_id])
            held.setdefault(entry.image_id, []).append(instance)
    _warn_of_categories(file, path)
    images = {entry.id: entry for entry in reversed(file.images)}
    problems = _image_problems(file.images, held)
    photos = []
    for number in sorted(held):
        image = images.get(number, _Image(number))
        photo = _photo(image, licences.get(image.license, _Licence()), held[number])
        photos.append(dataclasses.replace(photo, problem=problems.get(number)))
    return photos


def _read(path: Path) -> _File:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _refused(path, error.strerror or str(error)) from error
    try:
        return _decoded(content)
    except msgspec.ValidationError as error:
        raise _refused(path, _one_line(error)) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _refused(path, f"not whole or no JSON: {_with_context(error, content)}") from error


_NO_JSON = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b')


def _decoded(content: bytes) -> _File:
    """Decode the file. NaN and Infinity, which Python's json writes, count as null, "1" as 1."""
    try:
        return msgspec.json.decode(content, type=_File)
    except msgspec.DecodeError as error:
        if b"NaN" in content or b"Infinity" in content:
            content = _NO_JSON.sub(lambda m: m[0] if m[0].startswith(b'"') else b"null", content)
        try:
            return msgspec.json.decode(content, type=_File, strict=False)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise error from None


def _refused(path: Path, problem: str) -> UserError:
    return UserError(f"wanted COCO instances, {path}: {problem}; download the file again")


def _one_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _with_context(error: Exception, content: bytes) -> str:
    """The message of the decoder, with the text around the position that it names."""
    message = _one_line(error)
    found = re.search(r"byte (\d+)", message)
    if found is None:
        return message
    at = int(found[1])
    nearby = content[max(0, at - 20) : at + 20].decode("utf-8", "replace")
    return f"{message}, at {nearby!r}"


def _warn_of_categories(file: _File, path: Path) -> None:
    known = {entry.id for entry in file.categories}
    lacking = [entry for entry in file.annotations if entry.category_id not in known]
    if lacking:
        logging.warning(
            "%s: %d annotations are of categories that it lacks, and are left out; the first, "
            "annotation %d, is of category %d",
            *(path, len(lacking), lacking[0].id, lacking[0].category_id),
        )


def _image_problems(images: list[_Image], wanted: Collection[int]) -> dict[int, str]:
    """Id of a wanted image -> why its photo cannot be told."""
    counts = Counter(entry.id for entry in images)
    distinct = {(entry.id, entry.file_name, entry.width, entry.height) for entry in images}
    photos = Counter(number for number, *_ in distinct)
    problems = {}
    for number in wanted:
        if not counts[number]:
            problems[number] = f"the file lacks image {number}"
        elif photos[number] > 1:
            problems[number] = f"the file has {photos[number]} images {number}"
        elif not is_storable(number):
            problems[number] = f"the image's id {number:.3g} is beyond 64 bits"
    return problems


def _category_names(file: _File, wanted: tuple[str, ...], path: Path) -> dict[int, str]:
    """Category id -> name, for the categories in `wanted`."""
    known = {entry.name for entry in file.categories}
    for name in wanted:
        if name not in known:
            raise UserError(
                f"occluders.categories: wanted categories of {path}, got {name!r}; "
                f"it has {', '.join(sorted(known))}"
            )
        # The category becomes the name of a folder.
        if name != Path(name).name or name.startswith("."):
            raise UserError(f"occluders.categories: {name!r} cannot be a folder's name")
    return {entry.id: entry.name for entry in file.categories if entry.name in wanted}


def _instance(entry: _Annotation, category: str) -> Instance:
    """Convert an annotation. Copies the bytes, since a view would keep the file in memory."""
    segmentation, box = bytes(entry.segmentation), bytes(entry.bbox)
    return Instance(entry.id, category, bool(entry.iscrowd), segmentation, box)


def _photo(entry: _Image, licence: _Licence, instances: list[Instance]) -> Photo:
    return Photo(
        image=entry.id,
        file_name=entry.file_name,
        width=entry.width,
        height=entry.height,
        licence=licence.name,
        # COCO's file escapes the slashes twice.
        licence_url=(licence.url or "").replace("\\/", "/") or None,
        flickr_url=entry.flickr_url,
        coco_url=entry.coco_url,
        instances=tuple(sorted(instances, key=lambda i: i.annotation)),
    )
