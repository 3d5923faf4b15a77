"""Videos: decoding, frame access, encoding, cutting and sound."""
