"""merge: take back the shards that other machines have made, in folders of `occludenet split`.

    occludenet merge parts/machine-1 parts/machine-2 --configfile mine.yaml

Run it in the folder in which you run snakemake, with the same --configfile. Folders may come one
after the other, and again: what is there already is compared and left.

A shard is taken if
  - its job has ended, and was started with the settings and the results versions of this build,
  - the table of its clips is the one that was handed out, and is still that of this build,
  - its tables read to their end, and agree with the rows of its store,
  - each clip has the sha256 in its row, after it was copied here,
  - its clips were made by the same encoder and libraries as those of the build (or --mixed),
  - the same shard of another folder, or of the build, has equal rows.
Otherwise nothing of it is taken, the reason is logged, and the exit status is 1. It is also 1 if
shards are missing; they are named, with the machine that was to make them.

Its tables, store, clips, log and benchmark come into the build, and what Snakemake notes about its
job: the next start goes on from there, and a later change of a setting reruns these shards like all
others. After a kill -9 the same command goes on.

Clips are linked, not copied, where the folder is on the same file system.
"""
