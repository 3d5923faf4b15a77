"""Parts of benchmarks/shortcut.py.

world    clips whose scenery is tied to the action in training and crossed in test, in memory
network  a small network that sees scenery and movement
arms     what is compared: settings of train and counterfactual by name
trial    one arm trained by the product's loop and tested; finished ones are kept
outcome  means, paired differences, the table for people, the JSON
"""

from occludenet_build.project import find_demo

find_demo()  # demo.world lies outside the product
