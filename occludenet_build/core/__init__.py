"""Shared infrastructure of all stages: tables, files, ledgers, seeds, settings and versions."""
