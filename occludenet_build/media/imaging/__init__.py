"""media.imaging"""
