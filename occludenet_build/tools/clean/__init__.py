"""clean: remove what stages of a build have made, so that the next start makes it again.

    occludenet clean BUILD --stage composite          what would go, and how much that frees
    occludenet clean BUILD --stage composite --yes    removes it

A stage goes as a whole: its tables, its stores (the finished clips that a start would reuse) and
the clips that these name. The table of another stage that says where these clips are goes too.
Stages that read the results stay, are named, and run again at the next start; of what did not
change in content they make nothing again. Logs and benchmarks stay, and the numbers in `retry/`,
which ask the next start for the jobs. (measure, predictions and the tables of variants are made
when something needs them.)

Never removed is what no run can make again, unless a word names it:

    --even downloads    stages kinetics and acquire: videos, COCO, weights, and their notes
    --even reviews      stage proposals: review.csv, with your decisions
    --even recordings   stage recordings: the clips cut from your recordings, and their pages

What your settings name, such as a box file, and what no table names in the folders of the dataset
is never removed.

Nothing is removed while a build runs, or a job that outlived it. Tables go first and stores last,
so that no table says that a file is there that is gone: after a kill -9 the next start makes all
that is missing, and the same command removes the rest.
"""
