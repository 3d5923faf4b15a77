"""Fetching files over HTTP and unpacking archives: what rooms that need the network stand on.

    download_all(todo, settings)    an Outcome for each Download, as they end
    archives.unpack(file, folder)   a Member for each file in an archive

What is asked, what is answered
    item        Download, Outcome, and which addresses are refused
    checks      whether a finished file is what it should be, by name
One file
    fetch       attempts, waits, checks
    request     one request, its redirects, its body
    answer      what a status or a broken connection means
    part        the unfinished file, from which a later run goes on
Many files
    parallel    download_all
    lanes       which may start next
    pace        servers that want to be left alone for a while
    budget      when too much has failed
Archives
    archives    what is unpacked and what is refused
    entries     the members of tar and zip in one form
Archives of many files, fetched and unpacked, once
    bundles     deliver: a Delivery for each archive, as they end
    sources     which archives: files, addresses, lists of both
    shelf       where they lie, and unpacking one
    records     what each has delivered

Nothing half-written is ever seen: a file gets its name when it is whole and is what it should be.
"""

from __future__ import annotations

from occludenet_build.transfer.item import Download, Outcome, shown
from occludenet_build.transfer.parallel import download_all

__all__ = ["Download", "Outcome", "download_all", "shown"]
