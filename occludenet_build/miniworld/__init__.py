"""The mini-world of the offline demo: drawn clips with sound and drawn COCO pictures.

A textured figure does one of five actions before one of five backgrounds, filmed by a fixed
camera. In training the background mostly goes with the action, in val and test it says nothing:
a shortcut that CAR should unlearn. `python -m occludenet_build.miniworld --help` draws it.
"""
