"""Images: bounding boxes, masks, sizes, thumbnails, contact sheets and perceptual hashes."""
