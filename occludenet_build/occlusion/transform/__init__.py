"""Occlusion as a transform: composite's occluders pasted on frames that another program decoded.

    from occludenet_build import Bank, BuildBoxes, Occlude, occlude

    function   `occlude`: frames, the actor's boxes, an occluder -> frames, masks, share hidden
    sample     `Occlude`: the same for a data loader, with what is pasted drawn per clip and epoch
    bank       `Bank`: the occluders of a build, or the user's own
    actor      `BuildBoxes`: the actor's boxes of a build, by clip
    pixels     frames as arrays, lists and tensors
    rgb        occluders in the colours of RGB frames

Sizes, positions, resampling and blending are composite's own functions, so that what is pasted is
what a build pastes. In the same planes the result is composite's, sample by sample, before the
encoder. A decoded frame is RGB, and composite blends in the clip's YUV planes: docs/transform.md
says how far the two are apart.

numpy frames need no PyTorch: it is used for tensors only, and imported nowhere here unless the
caller has imported it.
"""
