"""Turns of a worker at the directory."""

from accounts.models import Account
from provisioning.apply import write_due
from provisioning.connectors.ldap import LdapConnector
from provisioning.models import Replica


def write() -> None:
    """A whole turn."""
    write_due(target_name="ldap", connector=LdapConnector)


def replica_of(person: Account) -> Replica:
    return Replica.objects.select_related("target").get(account=person, target="ldap")
