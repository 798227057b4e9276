"""All settings, read from the environment; safe for production unless DEBUG=true. docs/configuration.md lists them.

Celery's are in config/celery.py, the log's in config/logging.py.
"""

import tomllib
from pathlib import Path

from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from config import env, identity, provisioning, services
from config.logging import logging_settings

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]
env.require(
    *("SECRET_KEY", "PORTAL_URL", "ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL", "EMAIL_URL"),
    *("UNIVERSITY_NAME", "UNIVERSITY_DOMAINS"),
)

# Portal

# Django's own DEBUG stays off: its yellow pages would hide the portal's 404, 413 and 500 from those who try it. The log
# has the tracebacks.
DEVELOPMENT = env.boolean("DEBUG", default=False)
SECRET_KEY = env.secret_key("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.secret_keys("SECRET_KEY_FALLBACKS")
SECRET_KEY_CHANGED_ON = env.day("SECRET_KEY_CHANGED_ON")
PORTAL_URL = env.portal_url("PORTAL_URL", debug=DEVELOPMENT)
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS")
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES")
CAMPUS_NETWORKS = env.networks("CAMPUS_NETWORKS")

UNIVERSITY_NAME = env.text("UNIVERSITY_NAME")
UNIVERSITY_DOMAINS = env.domains("UNIVERSITY_DOMAINS")
SUPPORT_ADDRESS = env.mail_address("SUPPORT_ADDRESS", f"assistance@{UNIVERSITY_DOMAINS[0]}")
SUPPORT_PHONE = env.text("SUPPORT_PHONE")
PRIVACY_OFFICER_ADDRESS = env.mail_address("PRIVACY_OFFICER_ADDRESS", f"dpo@{UNIVERSITY_DOMAINS[0]}")
ENT_URL = env.web_address("ENT_URL", f"https://ent.{UNIVERSITY_DOMAINS[0]}/")
WEBMAIL_URL = env.web_address("WEBMAIL_URL", f"https://webmail.{UNIVERSITY_DOMAINS[0]}/")
MOODLE_URL = env.web_address("MOODLE_URL", f"https://moodle.{UNIVERSITY_DOMAINS[0]}/")
DOCUMENTATION_URL = env.web_address("DOCUMENTATION_URL", "")
SECURITY_CONTACT = identity.contact("SECURITY_CONTACT") or SUPPORT_ADDRESS
HR_CONTACT, REGISTRY_CONTACT = identity.contact("HR_CONTACT"), identity.contact("REGISTRY_CONTACT")
UNIVERSITY_COLOUR = identity.colour("UNIVERSITY_COLOUR")
UNIVERSITY_LOGO = identity.logo("UNIVERSITY_LOGO")

FORWARDING_ALLOWED = env.boolean("FORWARDING_ALLOWED", default=True)
FORWARDING_ALLOWED_DOMAINS = env.domains("FORWARDING_ALLOWED_DOMAINS")
FORWARDING_DENIED_DOMAINS = env.domains("FORWARDING_DENIED_DOMAINS")
SECURITY_API_KEYS = env.security_keys("SECURITY_API_KEYS")
HIBP_ENABLED = env.boolean("HIBP_ENABLED", default=False)
DIRECTORY_INDEXED = env.boolean("DIRECTORY_INDEXED", default=False)
HR_FILE_LARGEST_MB = env.number("HR_FILE_LARGEST_MB", default=64, most=1000)

# Retention, in days; shown on the page about personal data.

RETENTION_WAITING_DAYS = env.number("RETENTION_WAITING_DAYS", default=7)
RETENTION_LINK_REQUESTS_DAYS = env.number("RETENTION_LINK_REQUESTS_DAYS", default=30)
RETENTION_MAILS_DAYS = env.number("RETENTION_MAILS_DAYS", default=365)
RETENTION_JOURNAL_DAYS = env.number("RETENTION_JOURNAL_DAYS", default=365)
RETENTION_ASSISTANCE_DAYS = env.number("RETENTION_ASSISTANCE_DAYS", default=365)
RETENTION_ASSISTANCE_FACTS_DAYS = env.number("RETENTION_ASSISTANCE_FACTS_DAYS", default=30)
RETENTION_IMPORTS_DAYS = env.number("RETENTION_IMPORTS_DAYS", default=90)
RETENTION_NEVER_ACTIVATED_DAYS = env.number("RETENTION_NEVER_ACTIVATED_DAYS", default=30)
RETENTION_DEPARTED_DAYS = env.number("RETENTION_DEPARTED_DAYS", default=365)
RETENTION_PROOFS_DAYS = env.number("RETENTION_PROOFS_DAYS", default=1826)

# Notifications; 0 turns one off.

REMINDERS_EVERY_DAYS = env.number("REMINDERS_EVERY_DAYS", default=7, least=0)
REMINDERS_AT_MOST = env.number("REMINDERS_AT_MOST", default=4, least=0)
NOT_ACTIVATED_AFTER_DAYS = env.number("NOT_ACTIVATED_AFTER_DAYS", default=14)
CLOSING_NOTICE_DAYS = env.number("CLOSING_NOTICE_DAYS", default=30, least=0)

# Applications

INSTALLED_APPS = [
    "agents.apps.AgentAdminConfig",
    *("django.contrib.auth", "django.contrib.contenttypes", "django.contrib.messages", "django.contrib.postgres"),
    *("django.contrib.staticfiles", "django.forms"),
    "anymail",
    "csp",
    "django_otp",
    "django_otp.plugins.otp_totp",
    *("core", "journal", "outbox", "accounts", "privacy"),
    "directory",
    "mailrouting",
    "hr_feed",
    "activation",
    "assistance",
    "provisioning",
    "agents.apps.AgentsConfig",
    "monitoring",
]
MIDDLEWARE = [
    "monitoring.requests.RequestCountMiddleware",
    "config.middleware.RequestContextMiddleware",
    "config.middleware.PortalHeadersMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "accounts.auth.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "accounts.auth.sso.middleware.SsoFormActionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.auth.middleware.SessionLimitsMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "agents.middleware.AgentAccessMiddleware",
    # After what decides who may send the form: it reads the whole body.
    "django.middleware.csrf.CsrfViewMiddleware",
    "activation.charter.middleware.CharterMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
FORM_RENDERER = "core.forms.renderer.PortalRenderer"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.context_processors.portal",
            ],
        },
    }
]

# Database

DATABASES = {
    "default": services.database(
        "DATABASE_URL",
        pool=services.connection_pool(
            size=env.number("DATABASE_POOL_SIZE", default=4, least=0, most=500),
            threads=env.number("WEB_THREADS", default=env.WEB_THREADS, most=1000),
        ),
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Redis: rate limits and broker; nothing is stored there alone.

REDIS_URL = services.redis_url("REDIS_URL")
CELERY_BROKER_URL, CELERY_BROKER_USE_SSL = services.celery_broker(REDIS_URL)

# Mail

vars().update(services.mail("EMAIL_URL"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.sender(
    "FROM_ADDRESS", display_name=f"DSIN – {UNIVERSITY_NAME}", address=f"compte@{UNIVERSITY_DOMAINS[0]}"
)
MESSAGE_ID_DOMAIN = (*env.domains("MESSAGE_ID_DOMAIN"), UNIVERSITY_DOMAINS[0])[0]
ANYMAIL = {
    "REQUESTS_TIMEOUT": (3, 10),
    "SEND_DEFAULTS": {"track_opens": False, "track_clicks": False},
    "WEBHOOK_SECRET": env.webhook_secrets("MAIL_WEBHOOK_SECRET"),
    **vars().get("ANYMAIL", {}),
}

# Signing in and sessions

AUTH_USER_MODEL = "accounts.Account"
AUTHENTICATION_BACKENDS = ["accounts.auth.backends.AccountBackend"]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "account"
LOGOUT_REDIRECT_URL = "home"
PASSWORD_HASHERS = [
    "accounts.passwords.hashers.PortalArgon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
# OWASP's parameters: four times the sign-ins of Django's default and half its memory (docs/configuration.md).
ARGON2_MEMORY_KIB = env.number(
    "ARGON2_MEMORY_KIB", default=46 * 1024, least=64 if DEVELOPMENT else 7 * 1024, most=4 * 1024 * 1024
)
ARGON2_TIME_COST = env.number("ARGON2_TIME_COST", default=1, most=20)
ARGON2_PARALLELISM = env.number("ARGON2_PARALLELISM", default=1, most=64)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"accounts.passwords.validators.{name}"}
    for name in (
        *("LengthValidator", "PersonalDataValidator", "CommonPasswordValidator", "RepetitionValidator"),
        *("OrderValidator", "GuessableValidator", "LeakedPasswordValidator"),
    )
]

SIGN_IN = services.sign_in("SIGN_IN")
SIGN_IN_ATTRIBUTE = env.attribute("SIGN_IN_ATTRIBUTE")
CAS_URL = env.provider_url("CAS_URL", debug=DEVELOPMENT)
OIDC_ISSUER = env.provider_url("OIDC_ISSUER", debug=DEVELOPMENT)
OIDC_CLIENT_ID = env.text("OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = env.text("OIDC_CLIENT_SECRET")

SESSION_ENGINE = "accounts.auth.session_backend"
SESSION_COOKIE_AGE = 8 * 60 * 60
SESSION_IDLE_SECONDS = env.number("SESSION_IDLE_MINUTES", default=30, least=5, most=8 * 60) * 60
SESSION_LONGEST_SECONDS = 8 * 60 * 60
AGENT_IDLE_SECONDS = 15 * 60
AGENT_LONGEST_SECONDS = 4 * 60 * 60
WIZARD_IDLE_SECONDS = 60 * 60
WIZARD_LONGEST_SECONDS = 8 * 60 * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEVELOPMENT
CSRF_COOKIE_HTTPONLY = True
# Browsers accept the __Host- prefix over https only.
SESSION_COOKIE_NAME = "sessionid" if DEVELOPMENT else "__Host-sessionid"
CSRF_COOKIE_NAME = "csrftoken" if DEVELOPMENT else "__Host-csrftoken"
KNOWN_BROWSER_COOKIE_NAME = "known" if DEVELOPMENT else "__Host-known"
# Second factor of the agents.
OTP_LOGIN_URL = "admin:verification"
OTP_TOTP_ISSUER = UNIVERSITY_NAME
OTP_TOTP_SYNC = False
OTP_TOTP_THROTTLE_FACTOR = 1
OTP_ADMIN_HIDE_SENSITIVE_DATA = True
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# Services to which accounts are carried

PROVISIONING_LDAP_URL = provisioning.ldap_url("PROVISIONING_LDAP_URL", parallelism=ARGON2_PARALLELISM)
PROVISIONING_LDAP_BIND_DN = provisioning.distinguished_name("PROVISIONING_LDAP_BIND_DN")
PROVISIONING_LDAP_PASSWORD = env.text("PROVISIONING_LDAP_PASSWORD")
PROVISIONING_LDAP_CA_FILE = provisioning.readable_file("PROVISIONING_LDAP_CA_FILE")
PROVISIONING_LDAP_BASE = provisioning.distinguished_name("PROVISIONING_LDAP_BASE")
PROVISIONING_LDAP_CREATE = env.boolean("PROVISIONING_LDAP_CREATE", default=True)
PROVISIONING_LDAP_ON_ERASE = env.choice("PROVISIONING_LDAP_ON_ERASE", ("delete", "empty"), default="delete")
PROVISIONING_LDAP_MAPPING = provisioning.ldap_mapping("PROVISIONING_LDAP_MAPPING")
PROVISIONING_WEBHOOK_SECRET = provisioning.webhook_secret("PROVISIONING_WEBHOOK_SECRET")
PROVISIONING_WEBHOOK_URL = provisioning.service_url("PROVISIONING_WEBHOOK_URL", "PROVISIONING_WEBHOOK_SECRET")
PROVISIONING_SCIM_TOKEN = provisioning.bearer_token("PROVISIONING_SCIM_TOKEN")
PROVISIONING_SCIM_URL = provisioning.scim_url("PROVISIONING_SCIM_URL", "PROVISIONING_SCIM_TOKEN")
PROVISIONING_CONNECTOR = provisioning.connector_path("PROVISIONING_CONNECTOR")
PROVISIONING_CONNECTORS = provisioning.connectors(
    ldap=PROVISIONING_LDAP_URL, webhook=PROVISIONING_WEBHOOK_URL, scim=PROVISIONING_SCIM_URL, own=PROVISIONING_CONNECTOR
)

# Responses

CSRF_FAILURE_VIEW = "config.error_views.csrf_failure"
SECURE_SSL_REDIRECT = not DEVELOPMENT
SECURE_REDIRECT_EXEMPT = [r"^sante/"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 0 if DEVELOPMENT else 365 * 24 * 60 * 60
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = env.boolean("HSTS_PRELOAD", default=True)
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        **{name: [NONE] for name in ("default-src", "object-src", "base-uri", "frame-ancestors")},
        **{name: [SELF] for name in ("script-src", "style-src", "font-src", "connect-src", "form-action")},
        "img-src": [SELF, "data:"],
    }
}

# Languages and time: deadlines are in the time of Paris.

LANGUAGE_CODE = "fr"
LANGUAGES = [("fr", _("Français")), ("en", _("Anglais"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "Europe/Paris"
USE_TZ = True

# Static files

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = env.text("STATIC_ROOT", str(BASE_DIR / "staticfiles"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEVELOPMENT
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEVELOPMENT

# Monitoring

METRICS_KEY = env.metrics_key("METRICS_KEY")
LOGGING = logging_settings(
    log_format=env.choice("LOG_FORMAT", ("json", "text"), default="text" if DEVELOPMENT else "json"),
    level=env.choice("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), default="INFO"),
)

VARIABLES_IN_FORCE = dict(env.IN_FORCE)
