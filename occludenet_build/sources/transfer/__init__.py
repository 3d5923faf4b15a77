"""Downloads over HTTP, and archives, for all stages that use the network.

One file
    download       Download, Outcome, checks of addresses, errors of HTTP answers and connections
    fetch          one download: resuming, attempts, waits, checks
    connection     requests, redirects and bodies
    credentials    tokens and passwords of gated addresses, and where they may be sent
    partial_file   the unfinished file, from which a later run resumes
    checks         checks of a finished file, by name
Many files
    parallel       download_all: an Outcome for each Download, as they end; the failure budget
Archives
    archives       unpack: an UnpackedMember for each file of an untrusted archive
    bundles        deliver_archives: fetch and unpack; a Delivery for each archive, as they end
    sources        files, addresses, pieces, folders and lists that name archives
    pieces         archives that are stored in pieces, read as one file
    unpack_target  folders of archives and of their files, and the record of each archive

A file gets its name only after it is complete and has passed its check.
"""
