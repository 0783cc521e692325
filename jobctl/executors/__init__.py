"""Run one attempt: start it, watch it, end it. Nothing here knows the store."""
