"""The mini-world of the offline demo: drawn clips with sound and drawn COCO pictures.

A textured figure does one of five actions before one of five backgrounds, filmed by a fixed
camera. In training the background mostly goes with the action, in val and test it says nothing:
a shortcut that CAR should unlearn. `occludenet demo` draws it and builds on it, `python -m
demo.world` draws it only, in other sizes too.
"""
