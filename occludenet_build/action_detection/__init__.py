"""Action detection under occlusion: MOC and STADO (with torch).

A clip of K successive pictures goes through one backbone, picture by picture; heads on the joined
features find the centre, the class, the movement and the size of each actor. The parts:

    network     backbones `dla_34`, `resnet_18` to `resnet_152`, and the heads: `ActionDetector`
    weights     official checkpoints, and the weights a training starts from
    clips       `Tube`, and the clips of K frames that a training uses
    augment     flip, colour, expand, crop and resize, the same for all pictures of a clip
    targets     heat map, sizes, movements, and the mask that attention is trained on
    losses      their losses
    attention   share of the attention on the visible actor, on the occluder, on the background

Sources: Li et al., "Actions as Moving Points", ECCV 2020, and MCG-NJU/MOC-Detector (MIT);
"Spatio-Temporal Action Detection with Occlusion" and haoxiangxu23/stado (MIT). Files and figures
named "official" are theirs.
"""
