"""The mini-world, the synthetic data of the offline demo: drawn clips with sound, and COCO images.

A textured figure performs one of five actions in front of one of five backgrounds, with a fixed
camera. The background correlates with the action: a shortcut. In the set crossed, which a network
sees only when it is evaluated, each test figure is before another background. `occludenet demo`
draws the mini-world and builds a dataset from it; `python -m demo.world` only draws it, also in
other sizes.

plan          the clips, and the background of each
actions       poses of the five actions
wardrobe      appearance of an actor, and the painted body parts
figure        the figure in a pose
scenery       the five backgrounds
clips         frames, masks and sound of a clip
joints        where the figure's joints are, frame by frame
occluder_art  drawings of the four occluder types
coco          images with occluders, and the instances file
segments      masks in COCO's formats
paint         textures, shapes and shading
build         writes everything into a folder

Recordings for OccludeNet-I and -M, which are no part of the default mini-world:

rig           the recordings, their tables, and what hides whom
take          a performance, seen and heard by cameras around it
motions       poses in space of the classes, and ways over the floor
body          the figure in space
cameras       three cameras on a ring
room, props   furniture, and what actors hold or ride
microphones   the sound at each camera
"""
