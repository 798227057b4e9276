"""A real CAS server (django-cas-server): python -m tests.accounts.auth.sso.providers.cas PORT DIRECTORY PORTAL"""

import re

from tests.accounts.auth.sso.providers.project import arguments, configure, migrate, serve, templates

if __name__ == "__main__":
    port, directory, portal = arguments()
    configure(
        "tests.accounts.auth.sso.providers.cas_urls",
        directory,
        applications=["cas_server"],
        middleware=[],
        TEMPLATES=templates(),
        CAS_NEW_VERSION_HTML_WARNING=False,
        CAS_NEW_VERSION_EMAIL_WARNING=False,
    )
    if migrate():
        from cas_server.models import ReplaceAttributName, ServicePattern

        pattern = ServicePattern.objects.create(name="portal", pattern=f"^{re.escape(portal)}/connexion/retour/")
        ReplaceAttributName.objects.create(name="email", replace="mail", service_pattern=pattern)
    serve(port)
