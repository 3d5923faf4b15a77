"""Video and image processing: decoding, encoding, masks, bounding boxes and thumbnails."""
