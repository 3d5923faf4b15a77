"""Downloads over HTTP and archives: what the stages that need the network stand on.

One file
    download       Download, Outcome, names of addresses, and which addresses are refused
    fetch          one download: requests, resuming, attempts, waits, checks
    partial_file   the unfinished file, from which a later run resumes
    http_errors    the reason of a status or a broken connection
    checks         whether a finished file is what it should be, by name
Many files
    parallel       download_all: an Outcome for each Download, as they end; the failure budget
Archives
    archives       unpack: a Member for each file in an archive that nobody vouches for
    bundles        deliver: archives fetched and unpacked, a Delivery for each, as they end
    sources        which archives: files, addresses, lists of both
    unpack_target  where archives and their files go, and the record of each archive

Nothing half-written is ever seen: a file gets its name when it is whole and is what it should be.
"""
