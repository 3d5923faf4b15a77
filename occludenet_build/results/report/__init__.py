"""report: a page to look at. What was built, what failed and why, and how CAR did.

Reads, below --root, whatever of a build exists; what does not is said on the page:
    acquire/videos.parquet  index/videos.parquet  detect/*.parquet  select/clips.parquet
    occluders/occluders.parquet, summary.json and the cut-outs  composite/*.parquet
    actor_masks/*.parquet  counterfactual/*.parquet  annotate/clips.parquet, frames/*.parquet
    train/*.csv  evaluate/*.parquet, *.effect.csv  and of the examples the boxes, sources and clips
Writes, where --out is report/index.html:
    report/index.html    one file that needs no other and no network
    report/figures/      the same charts on their own: occlusion_duration.svg, area_ratio.svg,
                         accuracy.svg, loss.svg, those for which there is data
    report/accuracy.csv  arm,seed,set,scale,clips,right,top1,low,high,top5: shares, and the
                         Wilson 95 % interval of top-1; scale is empty for sets of lists, top5
                         where the networks know at most five classes; only a header if nothing
                         was evaluated
    report/failures.csv  room,status,reason,count,meaning,examples

The same build gives the same bytes: no times, examples drawn by a hash of their names.
--threads: worker processes that decode the examples.
"""
