"""Maskers: the interface, and a module per backend of actor_masks."""
