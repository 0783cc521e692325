"""Functions that every worker can run, whatever ``modules:`` allows. Stdlib, ``context`` and ``functions`` only."""
