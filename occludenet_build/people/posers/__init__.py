"""Backends of the stage poses: the joints of people in a clip, and whose they are."""
