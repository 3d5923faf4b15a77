"""plan: estimate the downloads, computing time and disk space of a configuration.

Reads  the configuration, merged as Snakemake merges it; the user's videos (list and some headers),
       or published facts about Kinetics; rates from an earlier build (--build)
Writes a table to stdout, and with --out all values as JSON; nothing in build_dir

Modules:

    videos    number of videos, and their average duration and frame size
    counts    rules of the workflow, and the items and units of work of a configuration
    rates     cost of the jobs of an earlier build, per unit of work
    fetch     bytes to download
    estimate  counts times rates, disk space, and the table

A value that is not known is None, `?` in the table, and never guessed. The exit status is 1 if the
disk space is not sufficient.
"""
