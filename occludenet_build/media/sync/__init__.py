"""Views in time: when the recordings of one take began, found from their sound.

`offsets` gives for each view the time in the reference's clock at which the view's first frame
lies. Time 0 of every view is its first displayed frame, as in `media.video.cut`.

    table       offsets that the user states; nothing is measured
    sound       cross-correlation of band-limited envelopes (`envelopes`, `correlation`), followed
                through the take in windows (`track`), with a calibrated confidence (`confidence`)
    motion      for silent footage: how much moves from frame to frame (`motion`)

An offset that is not sure is not returned: its `seconds` are None, and `reason` says why. Sound
travels 3 ms per metre, which is not corrected: microphones that stand at different distances from
the actors differ by so much.
"""

from __future__ import annotations

from occludenet_build.media.sync.views import Offset, offsets

__all__ = ["Offset", "offsets"]
