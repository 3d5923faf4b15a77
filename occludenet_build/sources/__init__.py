"""Sources: videos, Kinetics, COCO, weights and archives; downloads, index and segments."""
