"""The child side of function jobs: a warm process that executes them, one at a time.

It may run in a foreign interpreter (setting ``worker_python``), so it imports the standard library, ``jobctl.context``,
``jobctl.functions``, ``jobctl.resources`` and its siblings only; what is heavy (asyncio, inspect, traceback) when it is
first needed.
"""
