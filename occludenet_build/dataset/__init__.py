"""The dataset: annotations of the built clips, and checks of a release's CSV files."""
