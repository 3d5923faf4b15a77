"""Commands that are not stages: demo, run, init, plan, verify, sheets and manual."""
