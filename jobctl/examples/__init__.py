"""Daemons to use or to copy. Each file stands alone and knows jobctl only by its verbs and their ``--json``."""
