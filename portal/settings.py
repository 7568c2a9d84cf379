"""The only settings file. Defaults are for production; what loosens them is opted into by name."""

import tomllib
from datetime import timedelta
from pathlib import Path

from celery.schedules import crontab
from csp.constants import NONCE, NONE, SELF
from redis.backoff import NoBackoff
from redis.retry import Retry

from portal import env, logs

ROOT = Path(__file__).resolve().parent.parent
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
STATE = env.path("WEIR_STATE", ROOT / "var")
env.load_state(STATE)

DEBUG = env.flag("WEIR_DEBUG", default=False)
SECRET_KEY = env.text("WEIR_SECRET_KEY", "missing")  # portal.checks refuses the default
SECRET_KEY_FALLBACKS = env.texts("WEIR_OLD_SECRET_KEYS")  # what they signed or sealed still counts
DEMO = env.flag("WEIR_DEMO", default=False)
BASE_URL = env.base_url("WEIR_BASE_URL", "http://127.0.0.1:8000")
ALLOWED_HOSTS = env.words("WEIR_HOSTS", ["127.0.0.1", "localhost", "[::1]"])
HTTPS = BASE_URL.startswith("https://")
PROXIES = env.networks("WEIR_PROXIES")  # whose X-Forwarded-For is trusted
WIREGUARD_PUBLIC_KEY = env.text("WEIR_WIREGUARD_PUBLIC_KEY", "")
WIREGUARD_ENDPOINT = env.text("WEIR_WIREGUARD_ENDPOINT", "")

INSTALLED_APPS = [
    "portal.apps.PortalConfig",
    "common.apps.CommonConfig",
    "audit.apps.AuditConfig",
    "accounts.apps.AccountsConfig",
    "datasets.apps.DatasetsConfig",
    "privacy.apps.PrivacyConfig",
    "requests_app.apps.RequestsConfig",
    "network.apps.NetworkConfig",
    "studies.apps.StudiesConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "axes",
    "channels",
    "csp",
    "django_htmx",
    "django_structlog",
    "django_vite",
    "pgtrigger",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
]

MIDDLEWARE = [
    "common.base_url.BaseUrlMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "accounts.middleware.TimeZoneMiddleware",
    "accounts.middleware.VisitMiddleware",
    "accounts.signin.devices.KnownDeviceMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "portal.request_limits.PeopleMiddleware",
    "common.http.PrivatePagesMiddleware",
    "common.http.RefusalsMiddleware",
    "common.confirmation.ConfirmationMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "common.context_processors.page",
            ],
        },
    }
]
FORM_RENDERER = "common.forms.Renderer"
NAVIGATION = "portal.navigation.items"
DEMO_PEOPLE = "portal.demo.people.shown"
DEMO_DOMAIN = "demo.weir.example"  # accounts of this domain cannot sign in outside the demo
AUDIT_SCOPE = "datasets.rules.audited_dataset_ids"
AUDIT_LINKS = "portal.audit_links.address"

# Storage. Connections are not persistent: under ASGI each thread would keep one until Postgres refuses more.
DATABASES = {"default": env.database("DATABASE_URL")}
REQUESTS_AT_ONCE = env.number("WEIR_REQUESTS_AT_ONCE", 32)  # each has a thread and a connection to Postgres
SOCKETS_AT_ONCE = env.number("WEIR_SOCKETS_AT_ONCE", 2000)
SOCKETS_PER_PERSON = 50
CONNECTIONS_RESERVED = 20  # of Postgres, for workers, Celery beat and database admins
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env.text("REDIS_URL", "redis://127.0.0.1:6379/0")
# Timeouts for a server that accepts connections and does not respond.
VALKEY_PATIENCE: dict[str, float] = {"socket_timeout": 3, "socket_connect_timeout": 3}
CACHES = {
    "default": {
        "BACKEND": "portal.cache.Cache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {
            **VALKEY_PATIENCE,
            "retry": Retry(NoBackoff(), 1),
            "pool_class": "redis.BlockingConnectionPool",  # waits for a free connection instead of failing
            "max_connections": REQUESTS_AT_ONCE + 8,
            "timeout": 3,
        },
    }
}
CHANNELS = {"address": REDIS_URL, **VALKEY_PATIENCE}
CHANNEL_LAYERS = {"default": {"BACKEND": "portal.messages.ChannelLayer", "CONFIG": CHANNELS}}
STORE = STATE / "store"
DISK_RESERVE = 256 * 1024 * 1024  # bytes always left free for Postgres and logs
ENVIRONMENTS = env.path("WEIR_ENVIRONMENTS", ROOT / ".environments")
ENVIRONMENT_BUILDER = "runner.environments.build"
EXECUTOR = env.choice(
    "WEIR_EXECUTOR",
    {
        "bubblewrap": "runner.executors.bubblewrap.BubblewrapExecutor",
        "gvisor": "runner.executors.gvisor.GvisorExecutor",
        "kubernetes": "runner.executors.kubernetes.executor.KubernetesExecutor",
    },
)
BLOCK_RUNNER = "runner.executors.blocks.run_blocks"  # always bubblewrap, whatever runs code

# Other portals
NETWORK_PRIVATE = env.networks("WEIR_NETWORK_PRIVATE")  # other portals may have addresses in these
NETWORK_CA = env.text("WEIR_NETWORK_CA", "")  # a file with certificates, in place of the system's

# Uploads
UPLOAD_CHUNK = 4 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = UPLOAD_CHUNK  # a chunk is not written to disk twice
UPLOAD_LIMIT = env.number("WEIR_UPLOAD_LIMIT_MB", 2048) * 1024 * 1024
ROWS_PER_TABLE = env.number("WEIR_ROWS_PER_TABLE", 200_000_000)
UPLOADS_UNCONFINED = env.flag("WEIR_UPLOADS_UNCONFINED", default=False)  # no sandbox; see portal.checks
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000

# People
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "accounts.signin.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
CONFIRM_MINUTES = env.number(
    "WEIR_CONFIRM_MINUTES", 0 if DEMO else 15
)  # dangerous steps require a reauthentication after so many minutes; 0: never
ACCOUNT_REAUTHENTICATION_TIMEOUT = 60 * (CONFIRM_MINUTES or 15)
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_FORMS = {
    "login": "accounts.signin.forms.SignInForm",
    "reset_password": "accounts.signin.forms.ResetForm",
}
# Django's generator also covers the address; allauth's would store addresses in a table of its own.
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "django.contrib.auth.tokens.PasswordResetTokenGenerator"  # noqa: S105
# Nobody is locked out by others behind the same address. axes counts wrong passwords per account.
ACCOUNT_RATE_LIMITS = {
    "login": "",
    "login_failed": "10/15m/key",  # wrong second steps, per account, after the right password
    "reset_password": "",
    "reset_mail": "5/h/key",  # mails to one address
    "reset_password_from_key": "",
    "register": "5/h/key,30/h/ip",
    "device_code": "5/10m/user",  # wrong codes of programs
}
REGISTRATION = env.flag("WEIR_REGISTRATION", default=DEMO)  # people may ask for an account themselves
MFA_ADAPTER = "accounts.signin.passkeys.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "Weir"
MFA_ALLOW_UNVERIFIED_EMAIL = True  # allauth's own list of addresses is not used
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_USER_VERIFICATION = "required"  # without it, whoever holds the key could use it
MFA_RATE_LIMITS = {"webauthn_login": ""}  # there is nothing to guess
MFA_FORMS = {
    "activate_totp": "accounts.signin.forms.ActivateTOTPForm",
    "add_webauthn": "accounts.signin.passkeys.AddForm",
    "authenticate_webauthn": "accounts.signin.passkeys.AuthenticateForm",
    "edit_webauthn": "accounts.signin.passkeys.RenameForm",
    "login_webauthn": "accounts.signin.passkeys.SignInForm",
    "reauthenticate_webauthn": "accounts.signin.passkeys.ReauthenticateForm",
}
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = ["username"]
AXES_USERNAME_CALLABLE = "accounts.signin.events.lockout_name"
AXES_CLIENT_IP_CALLABLE = "common.client_address.client_address"
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "account/locked_out.html"
AXES_VERBOSE = False

# Sessions last eight hours. cached_db would leak one Valkey connection per open websocket.
SESSION_ENGINE = "accounts.signin.sessions"  # Django's database sessions, with the person as a column
SESSION_SERIALIZER = "django.contrib.sessions.serializers.JSONSerializer"
SESSION_COOKIE_AGE = 8 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [BASE_URL]
CSRF_FAILURE_VIEW = "portal.views.out_of_date"

# Headers. BASE_URL decides whether a request counts as https: see common.base_url.
SECURE_PROXY_SSL_HEADER = ("weir.scheme", "https")
SECURE_SSL_REDIRECT = False
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SILENCED_SYSTEM_CHECKS = [
    "axes.W006",  # counts are per account; known devices keep strangers from locking people out
    "security.W005",  # HSTS for subdomains is a decision about hosts that are not ours
    "security.W008",  # the proxy redirects http to https; BASE_URL decides what a request counts as
    "security.W021",  # HSTS preloading is the domain owner's decision
]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "manifest-src": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "object-src": [NONE],
    }
}
PERMISSIONS_POLICY: dict[str, list[str]] = {
    name: [] for name in ("camera", "geolocation", "microphone", "payment", "usb", "display-capture")
}

# Pages
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
STATIC_ROOT = STATE / "static"
STATICFILES_DIRS = [directory for directory in [ROOT / "static" / "build"] if directory.is_dir()]
DJANGO_VITE = {"default": {"dev_mode": False, "manifest_path": ROOT / "static" / "build" / "manifest.json"}}
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_IMMUTABLE_FILE_TEST = r"^/static/assets/.+-[0-9A-Za-z_-]{8}\."  # names that Vite has hashed

# Mail
EMAIL_BACKEND, EMAIL_OPTIONS = env.mail("WEIR_MAIL", STATE)
EMAIL_FILE_PATH = STATE / "mail"
EMAIL_HOST = EMAIL_OPTIONS.get("host", "")
EMAIL_PORT = int(EMAIL_OPTIONS.get("port", "25"))
EMAIL_HOST_USER = EMAIL_OPTIONS.get("user", "")
EMAIL_HOST_PASSWORD = EMAIL_OPTIONS.get("password", "")
EMAIL_TIMEOUT = 20
EMAIL_USE_TLS = EMAIL_OPTIONS.get("tls", "") == "1"
DEFAULT_FROM_EMAIL = env.text("WEIR_MAIL_FROM", "weir@localhost")

# Work. A run's row in Postgres is authoritative; broker messages only wake workers, perhaps twice.
RUN_HARD_LIMIT = 24 * 3600 + 600
HEARTBEAT_SECONDS = 5
STALE_AFTER = timedelta(seconds=3 * HEARTBEAT_SECONDS)
RUNS_PER_PERSON = env.number("WEIR_RUNS_PER_PERSON", 2)
RUNS_PER_DATASET = env.number("WEIR_RUNS_PER_DATASET", 4)
MOCK_WALL_SECONDS = 300
HELD_DAYS = 30  # held outputs are deleted if nobody has checked them by then
CELERY_BROKER_URL = env.broker("CELERY_BROKER_URL", REDIS_URL)
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = CELERY_EVENT_SERIALIZER = "json"
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False  # access to the broker must not give control over workers
CELERY_WORKER_CONSUMER = "portal.broker:Consumer"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "requests_app.tasks.execute_run": {"queue": "sandbox"},
    "privacy.tasks.compute_code_answer": {"queue": "blocks"},
    "privacy.tasks.compute_learned_answer": {"queue": "blocks"},  # for minutes too
    "privacy.tasks.try_code": {"queue": "blocks"},  # one at a time: no mock run feels private blocks
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Unacknowledged messages: a key per Valkey user, for no user may read another's.
UNACKED = f"unacked:{env.user_of(CELERY_BROKER_URL)}".rstrip(":")
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": int(1.1 * RUN_HARD_LIMIT),
    "unacked_key": UNACKED,
    "unacked_index_key": f"{UNACKED}_index",
    "unacked_mutex_key": f"{UNACKED}_mutex",
    **({} if CELERY_BROKER_URL.startswith("amqp") else VALKEY_PATIENCE),
}
# The periodic sweeps queue again what cannot be queued at once, so do not wait for the broker.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_max": 0}
ANSWER_SECONDS = 0.09  # time of an automatic answer over no rows; the public number of rows adds to it
PREPARE_SECONDS = 5.0  # time to sort the rows of a table, once per revision; the number of rows adds to it
ANSWER_WAITS = timedelta(seconds=20)  # then workers are woken again for a question that none has claimed
ANSWER_GIVEN_UP = timedelta(minutes=5)  # then its charge is given back, or kept if its data was opened
CELERY_BEAT_SCHEDULE = {
    "forget-sign-ins": {"task": "accounts.tasks.forget_expired_sign_ins", "schedule": crontab(40, 3)},
    "forget-keys": {"task": "common.tasks.forget_keys", "schedule": crontab(minute=50)},
    "look-after-answers": {"task": "privacy.tasks.look_after_answers", "schedule": 20},
    "look-after-runs": {"task": "requests_app.tasks.look_after_runs", "schedule": HEARTBEAT_SECONDS},
    "clear-sessions": {"task": "accounts.tasks.clear_sessions", "schedule": crontab(hour=3, minute=30)},
    "poll-peers": {"task": "network.tasks.poll_peers", "schedule": 600},
    "refresh-catalogues": {"task": "network.tasks.refresh_catalogues", "schedule": 600},
    "look-after-askings": {"task": "network.tasks.look_after_askings", "schedule": 60},
    "look-after-joints": {"task": "studies.tasks.look_after_joints", "schedule": 60},
    "send-mail": {"task": "accounts.tasks.send_mail", "schedule": 60},
    "sign-log": {"task": "audit.tasks.sign_log", "schedule": crontab()},  # second 0 of every minute
    "have-log-signed": {"task": "network.tasks.have_log_signed", "schedule": crontab()},
    "compare-checkpoints": {"task": "network.tasks.compare_checkpoints", "schedule": crontab(minute="*/10")},
    "tell-members": {"task": "studies.tasks.tell_members", "schedule": 60},
    "let-things-expire": {"task": "requests_app.tasks.let_things_expire", "schedule": 60},
    "sweep-uploads": {"task": "datasets.tasks.sweep_uploads", "schedule": 60},
}

# The REST API
API = "/api/v1/"
CLIENT_MINIMUM = (0, 1, 0)  # the oldest version of the Python client that is answered
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.signin.api.TokenAuthentication",
        "accounts.signin.api.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [],  # an operation says what it needs
    "DEFAULT_RENDERER_CLASSES": ["common.rest.bodies.CompactJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["common.rest.bodies.PlainJSONParser"],
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "common.rest.problems.handler",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Weir",
    "DESCRIPTION": "The REST API of this portal. Authenticate with an access token, made on the page Access tokens.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": API,
    "POSTPROCESSING_HOOKS": [
        "common.rest.schema.drop_enum_ids",
        "common.rest.schema.add_problems",
        "privacy.api.schema.add_questions",
    ],
    "COMPONENT_SPLIT_REQUEST": True,
}

LOGGING = logs.LOGGING
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False  # it would trust any header; portal.apps binds the address
logs.configure()
