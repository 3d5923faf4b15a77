"""Parts of the benchmarks of full scale: the state and the tables of a build of OccludeNet-D."""
