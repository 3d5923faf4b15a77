"""run: run the whole workflow on your own videos.

    occludenet run /path/to/videos
    occludenet run /path/to/videos --permissive
    occludenet run /path/to/videos --weights yolov5su.pt --coco
    occludenet run /path/to/videos --offline

VIDEOS contains <class>/<video>, or <split>/<class>/<video>, or videos only (one class). The
settings are demo/own_videos.yaml of the project and the choices below, which are written to
build/own/videos.yaml. All output is below build/ in the current folder, the results in build/own.
A second call continues an interrupted run and keeps its choices, unless it names others.

People     --weights, else YOLOv5 (yolov5su.pt, AGPL-3.0) or with --permissive torchvision's Faster
           R-CNN (BSD-3-Clause): found on this machine, or fetched from its publisher; address,
           size and licence are printed before. If there are no weights and no network, background
           subtraction (motion), which refuses most clips: the last lines and the report say so.
Masks      --mask-weights, else YOLO11 segmentation (yolo11n-seg.pt, AGPL-3.0) in the same way;
           GrabCut with --permissive, and without weights.
Occluders  the drawn ones of the demo; with --coco real ones: COCO's annotations (253 MB) and the
           photos of val2017 that hold a large enough backpack, handbag, suitcase or dog.

A choice that an option names is never replaced by another one: if it cannot be had, the command
stops. Fetched files are kept for other builds (docs/fetching.md). --offline fetches nothing.

For your own settings use occludenet init and snakemake.
"""
