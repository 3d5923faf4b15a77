"""report: an HTML page with what was built, what failed and why, and the accuracies.

Reads, below --root, the files of a build that exist; the page names the missing ones:
    acquire/videos.parquet  index/videos.parquet  detect/*.parquet  select/clips.parquet
    occluders/occluders.parquet, summary.json and the cut-outs  composite/*.parquet
    actor_masks/*.parquet  counterfactual/*.parquet  annotate/clips.parquet, frames/*.parquet
    models/tables.json, study.svg, integralaction/tables.json
    train/*.csv  evaluate/*.parquet, *.effect.csv  boxes, sources and clips of the examples
Writes, where --out is report/index.html:
    report/index.html    the page: one file, without links to other files or to the network
    report/figures/      the charts of the page as files: occlusion_duration.svg, area_ratio.svg,
                         accuracy.svg, loss.svg, models.svg, as far as there is data
    report/accuracy.csv  arm,seed,set,scale,clips,right,top1,low,high,top5,groups,group_low,
                         group_high: accuracies as shares, low and high the Wilson 95 % interval of
                         top-1, group_low and group_high the bootstrap interval that draws groups,
                         empty where each clip is a group; scale is empty for sets of lists, top5
                         where the networks know at most five classes; only a header if nothing was
                         evaluated
    report/failures.csv  stage,status,reason,count,meaning,examples

The same build gives the same bytes: the page has no times, and examples are drawn by a hash of
their names. --threads: worker processes that decode the examples.
"""
