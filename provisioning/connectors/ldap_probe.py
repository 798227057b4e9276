"""What `provision --probe` looks at in an LDAP directory. Changes nothing."""

from collections.abc import Iterator

from provisioning.connector import Finding
from provisioning.connectors.ldap_client import ASSERTION, LdapClient
from provisioning.mapping import PASSWORD, Mapping

PPOLICY = "1.3.6.1.4.1.42.2.27.8.5.1"


def findings(client: LdapClient, mapping: Mapping) -> Iterator[Finding]:
    yield Finding(True, "The server is reached, its certificate is right, the portal's account is accepted.")
    root = client.root("supportedControl", "subschemaSubentry", "namingContexts")
    controls = root.get("supportedControl", [])
    yield Finding(ASSERTION in controls, "Writes can be made conditional (assertion control, RFC 4528).")
    yield from _schema(client, mapping, root.get("subschemaSubentry", []))
    yield from _people(client)
    yield from _policies(client, root.get("namingContexts", []))
    yield Finding(
        True if PPOLICY in controls else None,
        "A password policy (ppolicy) slows down guesses: the directory is a door without the portal's limits.",
    )


def _schema(client: LdapClient, mapping: Mapping, subschema: list[str]) -> Iterator[Finding]:
    known = client.subschema(subschema[0]) if subschema else set()
    missing = [name for name in (*mapping.object_classes, *mapping.attributes) if name.lower() not in known]
    text = "The server knows each class and attribute of the mapping"
    yield Finding(not missing, f"{text}{', but not ' + ', '.join(missing) if missing else ''}.")


def _people(client: LdapClient) -> Iterator[Finding]:
    page = next(iter(client.walk([PASSWORD])), {})
    yield Finding(True, f"{client.base} can be read.")
    if not page:
        yield Finding(None, "There is no entry yet: rights on passwords could not be looked at.")
        return
    readable = any(entry.values(PASSWORD) for entry in page.values())
    yield Finding(not readable, "The portal's account cannot read passwords.")
    entry = next(iter(page.values()))
    code = client.compare(entry, PASSWORD, "{ARGON2}").code
    yield Finding(code in (5, 6, 16), "The portal's account may compare passwords.")


def _policies(client: LdapClient, contexts: list[str]) -> Iterator[Finding]:
    """Of those that can be read: a policy that looks into passwords refuses prepared hashes."""
    for policy in (one for context in contexts for one in client.policies(context)):
        refuses = policy["pwdCheckQuality"] == ["2"] or policy["pwdSafeModify"] == ["TRUE"]
        yield Finding(not refuses, "The password policy takes hashes (pwdCheckQuality below 2, pwdSafeModify FALSE).")
