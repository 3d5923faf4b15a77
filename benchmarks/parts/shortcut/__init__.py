"""Modules of benchmarks/shortcut.py.

world    clips whose scenery is tied to the action in training and crossed in test, in memory
network  a small network that takes colours and movement as input
arms     the compared settings of train and counterfactual, by name
trial    one arm trained by the product's loop and tested; finished trials are kept
outcome  means, paired differences, the printed table, the JSON
"""

from occludenet_build.tools.project import find_demo

find_demo()  # demo.world is not part of the package
