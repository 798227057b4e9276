"""The settings are safe by default, and refuse what is missing or loose."""

import os
import runpy
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.celery import app
from config.env import mail_settings
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
#: Values that are refused, with a message that names the variable.
REFUSED = {
    **{name: [None, "", "   "] for name in PRODUCTION},
    "PORTAL_URL": [
        *("http://compte.univ-exemple.fr", "compte.univ-exemple.fr", "ftp://compte.univ-exemple.fr", "https://"),
        *("https:///chemin", "https://compte.univ-exemple.fr/?a=b", "javascript:alert(1)"),
    ],
    "ALLOWED_HOSTS": ["*", ".univ-exemple.fr", "compte.univ-exemple.fr,*", "compte.univ-exemple.fr,.fr"],
    "EMAIL_URL": ["smtp.univ-exemple.fr", "http://smtp", "smtp://", "consolemail://", "smtp+starttls://x"],
    "UNIVERSITY_DOMAINS": ["*.exemple.org"],
    "FORWARDING_ALLOWED_DOMAINS": ["*.exemple.org"],
    "FORWARDING_DENIED_DOMAINS": ["*.exemple.org"],
    "METRICS_KEY": ["x" * 31],
    "LOG_FORMAT": ["JSON"],
}


@pytest.fixture
def settings_from(monkeypatch):
    """The settings with these variables and no others."""

    def read(**variables: str | None) -> dict[str, object]:
        with monkeypatch.context() as environment:
            for name in (*PRODUCTION, "DEBUG", "DATABASE_POOL_SIZE", "LOG_LEVEL", "TRUSTED_PROXIES"):
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
    def test_bad_values_are_refused_by_the_names_of_their_variables(self, settings_from):
        """SUP-02, HDR-01, HDR-05, TOK-08, FWD-02, FWD-06: all that are missing in one line."""
        for name, values in REFUSED.items():
            for value in {*values, *([None, "", "   "] if name in PRODUCTION else [])}:
                with pytest.raises(ImproperlyConfigured, match=name):
                    settings_from(**{name: value})
        with pytest.raises(ImproperlyConfigured) as refused:
            settings_from(**dict.fromkeys(PRODUCTION))
        assert all(name in str(refused.value) for name in PRODUCTION)
        assert "\n" not in str(refused.value)

    def test_a_weak_key_is_refused_without_being_quoted(self, settings_from):
        """SUP-02: whatever DEBUG says."""
        for key in ("short", "k" * 49, "django-insecure-" + "k" * 60):
            for debug in ("true", "false"):
                with pytest.raises(ImproperlyConfigured, match="SECRET_KEY") as refused:
                    settings_from(SECRET_KEY=key, DEBUG=debug)
                assert key not in str(refused.value).replace("django-insecure", "")
        done = run(["manage.py", "check"], SECRET_KEY="too-short")
        assert done.returncode != 0
        assert "SECRET_KEY must have at least 50 random characters" in done.stderr.splitlines()[-1]
        assert "too-short" not in done.stderr

    def test_accepted_values_have_one_spelling(self, settings_from):
        """FWD-02; plain http needs DEBUG."""
        for name in ("UNIVERSITY_DOMAINS", "FORWARDING_ALLOWED_DOMAINS", "FORWARDING_DENIED_DOMAINS"):
            accepted = settings_from(**{name: "Université.FR, mail.exemple.org"})[name]
            assert accepted == ["xn--universit-j4a.fr", "mail.exemple.org"]
        assert settings_from(PORTAL_URL="http://127.0.0.1:8000/", DEBUG="true")["PORTAL_URL"] == "http://127.0.0.1:8000"


class TestProduction:
    def test_the_deployment_checks_of_django_find_nothing(self):
        """HDR-01"""
        done = run(["-W", "ignore", "manage.py", "check", "--deploy", "--fail-level", "WARNING"])
        assert done.returncode == 0, done.stderr
        assert "no issues" in done.stdout + done.stderr

    def test_settings_beyond_the_deployment_checks_are_safe(self, settings_from):
        """HDR-01, AVL-08, ADM-01, EML-02, SUP-03"""
        production = settings_from()
        wanted = {
            "DEBUG": False,
            "ALLOWED_HOSTS": ["compte.univ-exemple.fr"],
            "TRUSTED_PROXIES": [],
            "TIME_ZONE": "Europe/Paris",
            "USE_TZ": True,
            "SECURE_SSL_REDIRECT": True,
            "METRICS_KEY": "",
        }
        assert {name: production[name] for name in wanted} == wanted
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

    def test_the_log_is_json_except_in_development(self, settings_from):
        """LOG-02"""
        debug = {"DEBUG": "true"}
        for variables, wanted in (({}, "json"), (debug, "text"), (debug | {"LOG_FORMAT": "json"}, "json")):
            assert settings_from(**variables)["LOGGING"]["handlers"]["console"]["formatter"] == wanted


def test_a_mail_servers_address_sets_host_port_encryption_and_login(settings_from):
    """EML-05: `+tls` requires STARTTLS, it does not merely try it."""
    for url, wanted in (
        ("smtp://mail.fr", {"EMAIL_HOST": "mail.fr", "EMAIL_PORT": 25}),
        ("smtp://mail.fr:2525", {"EMAIL_PORT": 2525}),
        ("smtp+tls://mail.fr", {"EMAIL_PORT": 587, "EMAIL_USE_TLS": True}),
        ("smtp+ssl://mail.fr", {"EMAIL_PORT": 465, "EMAIL_USE_SSL": True}),
        ("smtp+tls://a%40b:p%3A%2F%40@mail.fr", {"EMAIL_HOST_USER": "a@b", "EMAIL_HOST_PASSWORD": "p:/@"}),
    ):
        assert wanted.items() <= mail_settings(url).items()
    provider = settings_from(EMAIL_URL="anymail+postmark:?server_token=T-1")
    assert provider["EMAIL_BACKEND"] == "anymail.backends.postmark.EmailBackend"
    assert provider["ANYMAIL"]["POSTMARK_SERVER_TOKEN"] == "T-1"
    assert provider["ANYMAIL"]["SEND_DEFAULTS"]["track_clicks"] is False
    assert provider["ANYMAIL"]["REQUESTS_TIMEOUT"] == (3, 10)
