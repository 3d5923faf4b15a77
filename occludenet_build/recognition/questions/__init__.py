"""questions: multiple-choice questions about the clips, for video language models (video LLMs).

Reads  --clips (annotate/clips.parquet: the clips of evaluate.split), evaluate.lists, and for hard
       distractors --predictions: tables of evaluate or predictions
Writes below --out
       handout/<set>.jsonl       a line per question: what a model is asked, without the answer
           id           of the question; it goes with the answer
           set          clean, D-25, ..., or the name of a list
           video        the clip, a link relative to handout/, with a name that says nothing
           video_id     of the source clip: the same for its scales and its clean twin
           question     the text
           candidates   the options, classes (as in MVBench)
           options      the options with their letters, `A. archery` (as in Video-MME)
           prompt       question, options and instruction in one text
           distractors  how the wrong options were chosen: hard or random
       handout/video/<id>.mp4    symbolic links to the clips
       key.json                  the answers: {format, labels, questions: [{id, set, scale, clip,
                                 file, label, candidates, distractors, answer}]}
       classifiers/<model>.jsonl the answers of each model of --predictions, as scores per option:
                                 a reference, in the format of a video LLM's answers
       store/<settings>.json     an answer key with every question that was ever asked with the same
                                 settings: see below
       summary.json              {sets: [{set, questions, chance, letters}], distractors: {mode,
                                 models, hard, random}, options, labels, skipped: [{set, file,
                                 reason}]}; `chance` in percent; `letters`: percent of the right
                                 answers at each letter; `hard` and `random` count questions

A source clip has the same options in the same order in all sets, so a drop under occlusion is never
one of other options. Hard distractors are the classes with the largest mean probability, over the
models and over all sets of the clip, without the true class; a clip that no model has seen gets
random ones, and is counted. A source clip that was asked about with the same settings keeps its
options, whatever networks were trained since (questions.kept). The order of the options is drawn by
a hash of the seed, the clip and the class, so that the position of the right one says nothing.
Without Snakemake:

    occludenet questions --clips annotate/clips.parquet --root build --out questions
        --predictions evaluate/baseline-0.parquet --settings '{"questions": {"options": 4}}'
"""
