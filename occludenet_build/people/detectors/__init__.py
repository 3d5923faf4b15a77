"""Person detectors: the interfaces, and a module per backend of detect."""
