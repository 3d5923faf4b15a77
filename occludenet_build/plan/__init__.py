"""plan: what a configuration would cost, before anything runs.

Reads  the configuration, merged as Snakemake merges it; the user's videos (their list, and the
       headers of a sample), or what is known of Kinetics; rates of an earlier build (--build)
Writes a table to stdout; with --out everything as JSON; nothing into build_dir

    videos    which videos there are, and how long and large they are
    jobs      the kinds of jobs, and the unit of work that drives the cost of each
    counts    items and units of work that a configuration means
    past      what an earlier build tells: its jobs, and what they worked on
    rates     start and cost of a unit, bytes of a unit
    fetch     bytes to fetch
    disk      bytes to store, and whether there is room
    estimate  counts times rates, and the table

What is not known is None, `?` in the table, and never guessed. Ends with 1 if the disk has no room.
"""
