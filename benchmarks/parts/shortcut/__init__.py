"""Modules of benchmarks/shortcut.py.

world        clips whose scenery is tied to the action in training and crossed in test
others       actions and sceneries to train a network on before the trials
pictures     clips, masks of the actor and counterfactuals in memory
arms         the compared settings of train and counterfactual, by name; the network
trial        one arm trained by the product's loop and tested; finished trials are kept
pretraining  the network that was trained before
outcome      means, paired differences, the JSON
tables       the printed tables
"""

from occludenet_build.tools.project import find_demo

find_demo()  # demo.world is not part of the package
