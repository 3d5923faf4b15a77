"""people.maskers"""
