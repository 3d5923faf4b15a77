"""people.tracking"""
