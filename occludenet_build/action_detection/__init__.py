"""action_detection: who does what, where and when: tubes of boxes with a class (MOC, STADO)."""
