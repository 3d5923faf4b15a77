"""people.detectors"""
