"""How OccludeNet's release is written down: its CSV files, names, order and label ids.

csv_format   the CSV files: typed records, parsed and written byte for byte
names        the names of clips, and where the lists find them
order        the order of classes and occluder types, and the label ids that follow it
terms        splits and what they are called, sets, the paths of the trees, the names of clips
published    a release's choice: source clips with class, split and occluder; matching them
"""
