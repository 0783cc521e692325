"""What a home as a whole is asked: how it stands, which jobs its file names, to read that file again."""

from __future__ import annotations

import builtins
from dataclasses import asdict

from jobctl.api.verbs import Verbs


class HomeVerbs(Verbs):
    """Verbs about the home; few programs need them, so what they need is imported when they are called."""

    def status(self) -> dict[str, object]:
        """The document that ``status --json`` prints: supervisor, counts, queues, what runs and what is next."""
        from jobctl.actions.status import home_status
        from jobctl.views.supervisors import status_json

        connections = self.connections
        found = home_status(connections.home, connections.existing())
        return status_json(found, connections.clock.now_ms())

    def catalog(self) -> builtins.list[dict[str, object]]:
        """The jobs that ``jobctl.yaml`` and the built-in catalog name, as in ``catalog --json``.

        Raises:
            BadFileError: ``E_CONFIG``: the file is wrong.
        """
        from jobctl.actions.catalog import catalog
        from jobctl.configuration import read_configuration
        from jobctl.views.definitions import definition_json

        cards = catalog(self.connections.existing(), read_configuration(self.connections.home))
        return [definition_json(card) for card in cards if not card.is_gone]

    def reload(self) -> dict[str, object]:
        """``jobctl.yaml`` was read again, and what it says holds; the document of ``reload --json``.

        Its ``changes`` say what changed, its ``supervisor`` whether one was told. Without one the store is changed
        all the same. What is wrong changes nothing.

        Raises:
            NotFoundError: ``E_NO_CONFIG``: there is no file.
            BadFileError: ``E_CONFIG``: it is wrong; every problem with its place.
        """
        from jobctl.actions.configuration_checks import find_warnings
        from jobctl.actions.configurations import apply_configuration, request_reload
        from jobctl.actions.inspections import examined
        from jobctl.configuration import configuration_path, required_configuration

        connections = self.connections
        home, clock = connections.home, connections.clock
        configuration = examined(required_configuration(home), home, connections.settings())
        store = connections.store(create=True)
        warnings = find_warnings(store, configuration, clock.now_ms())
        changes = apply_configuration(store, configuration, clock)
        return {
            "file": configuration_path(home),
            "supervisor": request_reload(store),
            "changes": [asdict(change) for change in changes],
            "warnings": warnings,
        }
