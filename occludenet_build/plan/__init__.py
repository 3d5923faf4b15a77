"""plan: what a configuration would cost, before anything runs.

Reads  the configuration, as Snakemake merges it; the user's videos (a listing, and the headers of
       a sample), or what is known of Kinetics; rates: earlier builds, rates that were saved, or a
       small build of the user's own videos on this machine, in a folder of its own
Writes a table to stdout; with --out everything as JSON

    rules     the rules of the workflow: threads, order, the unit of work that drives each
    configs   the configuration, merged
    videos    which videos there are, and what they are like
    counts    items and units of work that a configuration means
    build     what a finished build tells: units, CPU seconds, wall clock and bytes of each job
    rates     start and cost of a unit, fitted; saved and read
    measure   a small real build
    fetch     bytes that are to be fetched
    schedule  wall clock on so many cores
    disk      bytes that are stored, and whether there is room
    estimate  all of it put together
    table     as people read it

What is not known is None, `?` in the table, and never guessed. Ends with 1 if the disk has no room.
"""
