"""CAR and what it stands on: loss, clips, backbones, training loop, prediction. Torch inside."""
