"""models: compare several networks, trained in one build, by degree of occlusion.

    occludenet models --predictions build/models/*/*.parquet --out build/models

Reads   --predictions, tables of predictions of evaluate: the folder is the network (models.members
        has its name), the arm and the seed stand in the table
        --others, such tables of other systems: integralaction/<mode>-<seed>.parquet
        --precisions, CSV files of average precision, moc/ap.csv, with the columns network,
        trained_on, seed, set, metric, value, low, high, n (value, low and high: percent)
Writes  by_degree.csv, .md, .tex   every network and arm on every set; columns: by_degree.CELL
        study.csv, .md, .tex       what each loses from the clean twin to each degree, in points,
                                   ranked; columns: study.DROP
        pairs.csv                  the networks of an arm two by two; columns: pairs.PAIR
        study.svg                  the losses as a figure, if there are some
        tables.json                both tables as texts, for the page of a build

Accuracies are of the source clips that all networks saw. An interval is a 95 % bootstrap interval
that draws groups of clips that are not independent (recognition.groups), each with all its seeds:
it tells of other clips of the same kind, not of other trainings, of which `sd` over seeds tells. A
difference of two networks counts as decided if it holds for other clips and, from three seeds on,
for other trainings (module pairs); the others are called undecided.
"""
