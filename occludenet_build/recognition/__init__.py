"""Recognition: CAR and its loss, clips, backbones, the training loop, predictions (with torch)."""
