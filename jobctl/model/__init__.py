"""Pure rules: jobs, retries, queues, events and how their texts are read. No I/O, no clock reads."""
