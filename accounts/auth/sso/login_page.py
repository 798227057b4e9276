"""How pages about signing in are addressed."""

from urllib.parse import urlencode

from django.urls import reverse

#: What in the query of the sign-in page asks for the portal's own form.
OWN_FORM = "ici"


def login_page(name: str, wanted: str, **query: str) -> str:
    """The page of that name, which knows where its visitor wanted to go ("" for nowhere)."""
    if wanted:
        query["next"] = wanted
    return f"{reverse(name)}?{urlencode(query)}" if query else reverse(name)
