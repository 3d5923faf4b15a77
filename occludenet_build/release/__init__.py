"""Conventions of OccludeNet's release: CSV files, names, paths, order and label ids.

csv_format   CSV files as typed records, parsed and written byte for byte
groups       which clips are of one source, by their names
terms        splits, sets, paths of clips, names of clips and cut-outs, order, label ids
published    source clips of a release with class, split and occluder, matched with videos
"""
