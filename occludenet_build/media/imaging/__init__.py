"""Images: bounding boxes, masks, thumbnails, contact sheets and perceptual hashes."""
