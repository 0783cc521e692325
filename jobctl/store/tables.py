"""The small tables as Peewee models. They are unbound: a query is executed on the database passed to it.

The hot tables (jobs, attempts, events) are written and read with literal SQL in their own modules.
"""

from __future__ import annotations

from peewee import FloatField, IntegerField, Model, TextField


class QueueTable(Model):
    """Named lanes."""

    name = TextField(primary_key=True)
    concurrency = IntegerField()
    paused_at = IntegerField(null=True)
    created_at = IntegerField()
    draining = IntegerField(default=0)
    rate_count = IntegerField(null=True)
    rate_seconds = FloatField(null=True)
    tokens = FloatField(null=True)
    tokens_at = IntegerField(null=True)

    class Meta:
        """The table of migrations 1 and 2."""

        table_name = "queues"


class LifeTable(Model):
    """Supervising processes."""

    id = IntegerField(primary_key=True)
    kind = TextField()
    pid = IntegerField()
    version = TextField()
    started_at = IntegerField()
    ended_at = IntegerField(null=True)
    end_reason = TextField(null=True)
    stop_requested = TextField(null=True)
    draining = IntegerField(default=0)
    stops_jobs = IntegerField(default=0)

    class Meta:
        """The table of migration 1."""

        table_name = "lives"
