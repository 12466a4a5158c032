# SPDX-License-Identifier: Apache-2.0
"""gunicorn with uvicorn's workers; each maps the model by itself, and all share its pages."""
import os

bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WORKERS", "2"))
worker_class = "uvicorn_worker.UvicornWorker"
chdir = os.path.dirname(os.path.abspath(__file__))
accesslog = None
errorlog = "-"
loglevel = "warning"
graceful_timeout = 10
