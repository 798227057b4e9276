"""The settings are safe by default, and refuse what is missing or loose."""

import os
import runpy
import subprocess
import sys
from email import message_from_bytes
from email.policy import default

import pytest
from django.conf import settings as portal
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from django.core.management import call_command

from config import env
from config.celery import app
from tests.project import PROJECT

PRODUCTION = {
    "SECRET_KEY": "a-key-for-tests-" + "0123456789abcdef" * 4,
    "PORTAL_URL": "https://compte.univ-exemple.fr",
    "ALLOWED_HOSTS": "compte.univ-exemple.fr",
    "UNIVERSITY_NAME": "Université Exemple",
    "UNIVERSITY_DOMAINS": "univ-exemple.fr",
    "DATABASE_URL": "postgres://portail:secret@database:5432/portail",
    "REDIS_URL": "redis://:secret@redis:6379/0",
    "EMAIL_URL": "smtp+tls://portail:s%40cret@smtp.univ-exemple.fr",
}
DIGEST = "0123456789abcdef" * 4
HTTPS_ONLY = ["http://a.fr", "a.univ-exemple.fr", "ftp://a.fr", "https://", "https://a.fr/?b=c", "https://a.fr:x"]
NUMBER = ["0", "-1", "dix", "1.5", "1e3", "٣", "9999999999"]
DOMAINS = ["*.exemple.org", "@exemple.org", "https://exemple.org", ".exemple.org", "a b"]
NETWORKS = ["caddy", "10.0.0.0/33", "10.0.0", "*", "10.0.0.1;10.0.0.2"]
ADDRESS = ["assistance", "a@b", "a@exemple.fr, b@exemple.fr", "Aide <a@exemple.fr>", "@exemple.fr"]
TWO_LINES = ["a\nb"]
BOOLEAN = ["oui", "True", "1", "yes"]
WEB_ADDRESS = ["javascript:alert(1)", "ent.univ-exemple.fr", "https://", "https://a b.fr", 'https://a.fr/"><x']
SERVICE = [
    "http://a.univ-exemple.fr",
    "a.univ-exemple.fr",
    "ftp://a.fr",
    "https://",
    "https://a.fr:x",
    "https://a.fr/#b",
]
NAME_OF_ENTRY = ["people", "ou=", "ou=people,dc", "ou=people,,dc=fr"]
CONTACT = [*ADDRESS, *WEB_ADDRESS]
RETENTION = [name for name in dir(portal) if name.startswith("RETENTION_")]
#: Values that are refused, with a message that names the variable; a variable that takes any line refuses two lines.
REFUSED = {
    "SECRET_KEY": ["short", "k" * 49, "django-insecure-" + "k" * 60],
    "SECRET_KEY_CHANGED_ON": ["30/11/2026", "2026-11-31", "hier"],
    "SECRET_KEY_FALLBACKS": ["short", f"{'k' * 60},short"],
    "PORTAL_URL": [*HTTPS_ONLY, "javascript:alert(1)", "https:///chemin"],
    "ALLOWED_HOSTS": ["*", ".univ-exemple.fr", "a.univ-exemple.fr,*", "https://a.fr", "a.fr:443", ","],
    "UNIVERSITY_NAME": TWO_LINES,
    "UNIVERSITY_DOMAINS": DOMAINS,
    "DATABASE_URL": [
        *("database", "mysql://a/b", "postgres://u:p@h", "postgres://u:p@h:x/n", "postgres://h/n?no_such=1"),
        "postgres://u:p@ss@h/n?sslmode",
    ],
    "REDIS_URL": ["foo", "http://redis", "redis://", "redis://h:x", "redis://h/a", "redis://h?db=1", "sentinel://h"],
    "EMAIL_URL": [
        *("smtp.univ-exemple.fr", "http://smtp", "smtp://", "consolemail://", "smtp+starttls://x", "smtp://relay:abc"),
        *("smtp://relay/x", "anymail+postmrk:?server_token=T", "anymail+base:?a=b"),
    ],
    "DEBUG": BOOLEAN,
    "TRUSTED_PROXIES": NETWORKS,
    "CAMPUS_NETWORKS": NETWORKS,
    "SUPPORT_ADDRESS": ADDRESS,
    "SUPPORT_PHONE": TWO_LINES,
    "PRIVACY_OFFICER_ADDRESS": ADDRESS,
    "FROM_ADDRESS": ["DSIN, Exemple <a@exemple.fr>", "a@exemple.fr\nBcc: b@exemple.fr", "a@a.fr, b@b.fr", "DSIN"],
    "MESSAGE_ID_DOMAIN": DOMAINS,
    **dict.fromkeys(("ENT_URL", "WEBMAIL_URL", "MOODLE_URL", "DOCUMENTATION_URL"), WEB_ADDRESS),
    **dict.fromkeys(("HR_CONTACT", "REGISTRY_CONTACT", "SECURITY_CONTACT"), CONTACT),
    # The grey is the first that is too light: 4.48 to 1.
    "UNIVERSITY_COLOUR": ["bleu", "#0b5", "#777777", "#ffcc00", "#0b5563;}", "rgb(0,0,0)"],
    "UNIVERSITY_LOGO": ["/absent.svg", "/etc/passwd", str(PROJECT), str(PROJECT / "static/css/portail.css")],
    **dict.fromkeys(("FORWARDING_ALLOWED", "HIBP_ENABLED", "DIRECTORY_INDEXED", "HSTS_PRELOAD"), BOOLEAN),
    **dict.fromkeys(("FORWARDING_ALLOWED_DOMAINS", "FORWARDING_DENIED_DOMAINS"), DOMAINS),
    "SECURITY_API_KEYS": [
        *("k" * 43, f"SIEM:{DIGEST}", f":{DIGEST}", f"siem:{DIGEST.upper()}", f"siem:{DIGEST}:x", DIGEST),
        f"siem:{DIGEST},soar:{DIGEST}",
    ],
    "HR_FILE_LARGEST_MB": [*NUMBER, "1001"],
    **dict.fromkeys(RETENTION, NUMBER),
    **dict.fromkeys(("REMINDERS_EVERY_DAYS", "REMINDERS_AT_MOST", "CLOSING_NOTICE_DAYS"), NUMBER[1:]),
    "NOT_ACTIVATED_AFTER_DAYS": NUMBER,
    "DATABASE_POOL_SIZE": [*NUMBER[1:], "501"],
    **dict.fromkeys(("WEB_THREADS", "ARGON2_TIME_COST", "ARGON2_PARALLELISM"), NUMBER),
    "ARGON2_MEMORY_KIB": [*NUMBER, "1", "7167"],
    "MAIL_WEBHOOK_SECRET": ["a:b", "a" * 40, f"a:{'b' * 24}:c", f"a:{'b' * 24},a:b"],
    "SIGN_IN": ["CAS", "saml", "true"],
    "SIGN_IN_ATTRIBUTE": ["a b", "a;b"],
    "CAS_URL": HTTPS_ONLY,
    "OIDC_ISSUER": HTTPS_ONLY,
    **dict.fromkeys(("OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "STATIC_ROOT"), TWO_LINES),
    "SESSION_IDLE_MINUTES": [*NUMBER, "4", "481"],
    "PROVISIONING_LDAP_URL": [
        *("ldap://elsewhere", "ldap://10.0.0.1", "ldaps://", "ldap.univ-exemple.fr", "https://ldap.fr", "ldaps://h:x"),
        *("ldaps://h/dc=fr", "ldaps://h?x", "ldaps://u:p@h", "ldapi:///"),
    ],
    **dict.fromkeys(("PROVISIONING_LDAP_BIND_DN", "PROVISIONING_LDAP_BASE"), NAME_OF_ENTRY),
    "PROVISIONING_LDAP_PASSWORD": TWO_LINES,
    "PROVISIONING_LDAP_CA_FILE": ["/absent.pem", str(PROJECT)],
    "PROVISIONING_LDAP_CREATE": BOOLEAN,
    "PROVISIONING_LDAP_ON_ERASE": ["keep", "DELETE"],
    "PROVISIONING_LDAP_MAPPING": ["/absent.toml", str(PROJECT), str(PROJECT / "pyproject.toml")],
    **dict.fromkeys(("PROVISIONING_SCIM_URL", "PROVISIONING_WEBHOOK_URL"), SERVICE),
    "PROVISIONING_SCIM_TOKEN": ["a b", "é", *TWO_LINES],
    "PROVISIONING_WEBHOOK_SECRET": ["whsec_", "whsec_c2hvcnQ=", "a" * 40, f"whsec_{'!' * 40}"],
    "PROVISIONING_CONNECTOR": ["Zimbra", "a b.C", "university/zimbra.py", ".C"],
    "METRICS_KEY": ["x" * 31],
    "LOG_FORMAT": ["JSON"],
    "LOG_LEVEL": ["verbose"],
}


@pytest.fixture
def settings_from(monkeypatch):
    """The settings with these variables and no others."""

    def read(**variables: str | None) -> dict[str, object]:
        with monkeypatch.context() as environment:
            for name in REFUSED:
                environment.delenv(name, raising=False)
            for name, value in {**PRODUCTION, **variables}.items():
                if value is not None:
                    environment.setenv(name, value)
            return runpy.run_path(str(PROJECT / "config" / "settings.py"))

    return read


def run(command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **PRODUCTION, **variables}
    line = [sys.executable, *command]
    return subprocess.run(line, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60)


class TestRefusals:
    def test_every_variable_refuses_nonsense_by_its_name_and_says_what_it_expects(self, settings_from):
        """SUP-02, HDR-01, HDR-05, TOK-08, FWD-02, FWD-06, INP-03: a value that is refused is not quoted, it may be a secret."""
        assert set(REFUSED) == set(settings_from()["VARIABLES_IN_FORCE"])
        for name, values in REFUSED.items():
            for value in values:
                with pytest.raises(ImproperlyConfigured, match=name) as refused:
                    settings_from(**{name: value})
                assert "\n" not in str(refused.value)
                assert len(value) < 20 or value not in str(refused.value)

    def test_all_that_are_missing_are_named_in_one_line(self, settings_from):
        for value in (None, "   "):
            with pytest.raises(ImproperlyConfigured) as refused:
                settings_from(**dict.fromkeys(PRODUCTION, value))
            assert all(name in str(refused.value) for name in PRODUCTION)
        with pytest.raises(ImproperlyConfigured, match="OIDC_ISSUER, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET"):
            settings_from(SIGN_IN="oidc")
        with pytest.raises(ImproperlyConfigured, match="CAS_URL"):
            settings_from(SIGN_IN="cas")
        directory = "PROVISIONING_LDAP_BIND_DN, PROVISIONING_LDAP_PASSWORD, PROVISIONING_LDAP_BASE"
        with pytest.raises(ImproperlyConfigured, match=directory):
            settings_from(PROVISIONING_LDAP_URL="ldaps://ldap.fr")
        for service, secret in (("SCIM", "TOKEN"), ("WEBHOOK", "SECRET")):
            with pytest.raises(ImproperlyConfigured, match=f"PROVISIONING_{service}_{secret}"):
                settings_from(**{f"PROVISIONING_{service}_URL": "https://a.fr/b"})

    @pytest.mark.processes
    def test_the_process_ends_with_the_sentence_and_without_the_value(self):
        """SUP-02"""
        for command in ("manage.py check", "-m celery -A config worker", "-m gunicorn config.wsgi"):
            done = run(command.split(), SECRET_KEY="too-short")
            assert done.returncode != 0
            assert "SECRET_KEY must have at least 50 random characters" in done.stderr + done.stdout
            assert "too-short" not in done.stderr + done.stdout
        done = run(["-m", "gunicorn", "config.wsgi"], WEB_CONCURRENCY="0")
        assert "WEB_CONCURRENCY must be a whole number from 1 to 256." in done.stderr + done.stdout

    def test_accepted_values_have_one_spelling(self, settings_from):
        """FWD-02; plain http needs DEBUG."""
        for name in ("UNIVERSITY_DOMAINS", "FORWARDING_ALLOWED_DOMAINS", "FORWARDING_DENIED_DOMAINS"):
            accepted = settings_from(**{name: "Université.FR, mail.exemple.org., "})[name]
            assert accepted == ["xn--universit-j4a.fr", "mail.exemple.org"]
        assert settings_from(PORTAL_URL="http://127.0.0.1:8000/", DEBUG="true")["PORTAL_URL"] == "http://127.0.0.1:8000"
        proxies = settings_from(TRUSTED_PROXIES="10.0.0.7/8 2001:db8::1, ")["TRUSTED_PROXIES"]
        assert proxies == ["10.0.0.0/8", "2001:db8::1/128"]
        keys = settings_from(SECURITY_API_KEYS=f"siem:{DIGEST}, siem:{DIGEST[::-1]}")["SECURITY_API_KEYS"]
        assert keys == [("siem", DIGEST), ("siem", DIGEST[::-1])]
        assert settings_from(UNIVERSITY_COLOUR="#767676")["UNIVERSITY_COLOUR"] == "#767676", "4.54 to 1"
        assert settings_from(SECRET_KEY="$" * 60)["SECRET_KEY"] == "$" * 60, "no other variable is looked up"

    def test_a_comma_in_the_name_of_the_university_leaves_one_sender(self, settings_from):
        """EML-01"""
        sender = settings_from(UNIVERSITY_NAME="Université Paul-Valéry, Montpellier 3")["DEFAULT_FROM_EMAIL"]
        message = EmailMessage("Sujet", "Texte", sender, ["camille@exemple.net"]).message()
        [mailbox] = message_from_bytes(message.as_bytes(), policy=default)["From"].addresses
        assert mailbox.display_name == "DSIN – Université Paul-Valéry, Montpellier 3"
        assert mailbox.addr_spec == "compte@univ-exemple.fr"


def test_a_toy_that_follows_the_recipe_of_contributing_is_checked_and_shown(monkeypatch):
    monkeypatch.setattr(env, "IN_FORCE", {})
    assert (env.number("TOY_SIZE", default=3), env.IN_FORCE["TOY_SIZE"]) == (3, "3")
    monkeypatch.setenv("TOY_SIZE", "beaucoup")
    with pytest.raises(ImproperlyConfigured, match="TOY_SIZE must be a whole number from 1 to 36500"):
        env.number("TOY_SIZE", default=3)


class TestFiles:
    def test_a_secret_is_read_from_the_file_that_its_variable_names(self, settings_from, tmp_path):
        """SUP-02"""
        file = tmp_path / "database-url"
        file.write_text("postgres://portail:in-a-file@database/portail\n")
        settings = settings_from(DATABASE_URL=None, DATABASE_URL_FILE=str(file))
        assert settings["DATABASES"]["default"]["PASSWORD"] == "in-a-file"
        with pytest.raises(ImproperlyConfigured, match="DATABASE_URL_FILE must be the path of a readable text file"):
            settings_from(DATABASE_URL_FILE=str(tmp_path))

    def test_show_settings_lists_each_variable_once(self, capsys):
        call_command("show_settings")
        names = [line.partition("=")[0] for line in capsys.readouterr().out.splitlines()]
        assert names == sorted(portal.VARIABLES_IN_FORCE)

    @pytest.mark.processes
    def test_show_settings_prints_what_is_in_force_with_secrets_masked(self):
        """SUP-02"""
        hidden = {
            name: f"{name.lower()}-{'x' * 60}" for name in ("SECRET_KEY_FALLBACKS", "METRICS_KEY", "OIDC_CLIENT_SECRET")
        }
        hidden |= {"MAIL_WEBHOOK_SECRET": f"u:{'y' * 40}", "EMAIL_URL": "anymail+postmark:?server_token=T-very-secret"}
        hidden |= {"DATABASE_URL": "postgres://portail:sec@ret@database/portail?sslmode=require"}
        done = run(["manage.py", "show_settings"], **hidden)
        shown = dict(line.split("=", 1) for line in done.stdout.splitlines())
        assert shown.keys() == REFUSED.keys()
        assert shown["DATABASE_URL"] == "postgres://portail:********@database/portail?sslmode=require"
        assert shown["EMAIL_URL"] == "anymail+postmark:?server_token=********"
        assert (shown["SECRET_KEY"], shown["METRICS_KEY"], shown["CAS_URL"]) == ("********", "********", "")
        assert (shown["SESSION_IDLE_MINUTES"], shown["SUPPORT_ADDRESS"]) == ("30", "assistance@univ-exemple.fr")
        for secret in ("sec@ret", "secret@redis", "very-secret", "x" * 60, "y" * 40, PRODUCTION["SECRET_KEY"]):
            assert secret not in done.stdout


class TestProduction:
    @pytest.mark.processes
    def test_the_deployment_checks_of_django_find_nothing(self):
        """HDR-01"""
        done = run(["-W", "ignore", "manage.py", "check", "--deploy", "--fail-level", "WARNING"])
        assert done.returncode == 0, done.stderr
        assert "no issues" in done.stdout + done.stderr

    def test_settings_beyond_the_deployment_checks_are_safe(self, settings_from):
        """HDR-01, AVL-08, ADM-01, EML-02, SUP-03"""
        production = settings_from()
        wanted = {
            "DEVELOPMENT": False,
            "ALLOWED_HOSTS": ["compte.univ-exemple.fr"],
            "TRUSTED_PROXIES": [],
            "TIME_ZONE": "Europe/Paris",
            "USE_TZ": True,
            "SECURE_SSL_REDIRECT": True,
            "METRICS_KEY": "",
        }
        assert {name: production[name] for name in wanted} == wanted
        assert not settings_from(DEBUG="true").get("DEBUG"), "Django's own hides the portal's error pages"
        assert "django.contrib.auth.middleware.LoginRequiredMiddleware" in production["MIDDLEWARE"]
        assert not any("cache" in name.lower() for name in production["MIDDLEWARE"])
        assert "Argon2" in production["PASSWORD_HASHERS"][0]
        assert len(production["AUTH_PASSWORD_VALIDATORS"]) >= 6
        assert not production.get("USE_X_FORWARDED_HOST", False)
        assert "SESSION_SERIALIZER" not in production, "Django's own is JSON"
        assert 0 < production["EMAIL_TIMEOUT"] <= 30
        assert production["SESSION_COOKIE_AGE"] <= 8 * 60 * 60
        assert production["ANYMAIL"]["SEND_DEFAULTS"] == {"track_opens": False, "track_clicks": False}
        assert app.conf.accept_content == ["json"]

    def test_every_wait_for_the_database_is_bounded(self, settings_from):
        """AVL-06, AVL-08"""
        database = settings_from()["DATABASES"]["default"]
        assert database["CONN_HEALTH_CHECKS"] is True
        assert database["OPTIONS"]["connect_timeout"] <= 5
        assert all(f"{wait}_timeout" in database["OPTIONS"]["options"] for wait in ("statement", "lock"))
        assert database["OPTIONS"]["pool"]["timeout"] <= 10

    def test_cookies_are_bound_to_this_host_and_to_https(self, settings_from):
        """SES-06"""
        production = settings_from()
        wanted = {"SECURE": True, "HTTPONLY": True, "SAMESITE": "Lax", "DOMAIN": None, "PATH": "/"}
        for cookie in ("SESSION", "CSRF"):
            assert production[f"{cookie}_COOKIE_NAME"].startswith("__Host-")
            found = {name: production.get(f"{cookie}_COOKIE_{name}", {"PATH": "/"}.get(name)) for name in wanted}
            assert found == wanted
        assert production["KNOWN_BROWSER_COOKIE_NAME"].startswith("__Host-")

    def test_the_log_is_json_except_in_development(self, settings_from):
        """LOG-02"""
        debug = {"DEBUG": "true"}
        for variables, wanted in (({}, "json"), (debug, "text"), (debug | {"LOG_FORMAT": "json"}, "json")):
            assert settings_from(**variables)["LOGGING"]["handlers"]["console"]["formatter"] == wanted


class TestDirectory:
    BOUND = {
        "PROVISIONING_LDAP_BIND_DN": "uid=portail,ou=services,dc=univ-exemple,dc=fr",
        "PROVISIONING_LDAP_PASSWORD": "secret-of-the-directory",
        "PROVISIONING_LDAP_BASE": "ou=people,dc=univ-exemple,dc=fr",
    }

    def test_plain_ldap_stays_on_this_machine(self, settings_from):
        for url in ("ldaps://ldap.fr:6360", "ldap+tls://ldap.fr", "ldap://127.0.0.1:389", "ldap://[::1]"):
            assert settings_from(PROVISIONING_LDAP_URL=url, **self.BOUND)["PROVISIONING_LDAP_URL"] == url
        for name, *command in (("check", "manage.py", "check"), ("worker", "-m", "celery", "-A", "config", "worker")):
            done = run(command, PROVISIONING_LDAP_URL="ldap://ldap.fr", DEBUG="true", **self.BOUND)
            assert done.returncode != 0, name
            assert "PROVISIONING_LDAP_URL" in done.stderr + done.stdout
            assert "secret-of-the-directory" not in done.stderr + done.stdout

    def test_a_hash_that_openldap_cannot_check_is_refused(self, settings_from):
        with pytest.raises(ImproperlyConfigured, match="ARGON2_PARALLELISM"):
            settings_from(PROVISIONING_LDAP_URL="ldaps://ldap.fr", ARGON2_PARALLELISM="2", **self.BOUND)

    def test_a_wrong_mapping_is_refused_by_its_line(self, settings_from, tmp_path):
        file = tmp_path / "mapping.toml"
        file.write_text('[attributes]\ncn = ["{password}"]\nsn = ["x"]\nuserPassword = ["x"]\n')
        with pytest.raises(ImproperlyConfigured, match=r"PROVISIONING_LDAP_MAPPING.*cn: the hash of the password"):
            settings_from(PROVISIONING_LDAP_MAPPING=str(file))


def test_a_mail_servers_address_sets_host_port_encryption_and_login(settings_from):
    """EML-05: `+tls` requires STARTTLS, it does not merely try it."""
    for url, wanted in (
        ("smtp://mail.fr", {"EMAIL_HOST": "mail.fr", "EMAIL_PORT": 25}),
        ("smtp://mail.fr:2525", {"EMAIL_PORT": 2525}),
        ("smtp+tls://mail.fr", {"EMAIL_PORT": 587, "EMAIL_USE_TLS": True}),
        ("smtp+ssl://mail.fr", {"EMAIL_PORT": 465, "EMAIL_USE_SSL": True}),
        ("smtp+tls://a%40b:p%3A%2F%40@mail.fr", {"EMAIL_HOST_USER": "a@b", "EMAIL_HOST_PASSWORD": "p:/@"}),
    ):
        assert wanted.items() <= settings_from(EMAIL_URL=url).items()
    provider = settings_from(EMAIL_URL="anymail+postmark:?server_token=T-1")
    assert provider["EMAIL_BACKEND"] == "anymail.backends.postmark.EmailBackend"
    assert provider["ANYMAIL"]["POSTMARK_SERVER_TOKEN"] == "T-1"
    assert provider["ANYMAIL"]["SEND_DEFAULTS"]["track_clicks"] is False
    assert provider["ANYMAIL"]["REQUESTS_TIMEOUT"] == (3, 10)
