# mypy: disable-error-code="import-not-found,import-untyped,misc"
"""The webserver role: the trigger API of the platform and the API of the harness, and the parser of DAG files.

Werkzeug's threaded server instead of gunicorn: one process (gunicorn has at least a master and a worker), a thread
per request so that streams of events do not block others, and no start of Airflow's own 400 MB web application. It
serves one test process and the stand-ins, not the internet.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from harness.incluster.airflow import database_readiness, imports
from harness.incluster.airflow.dagfolder import DagFolder
from harness.incluster.airflow.parsing import Zygote


def application(folder: DagFolder) -> Any:
    """Return the WSGI application."""
    from flask import Flask

    from harness.incluster.airflow import harness_api, platform_api

    app = Flask("harness.incluster.airflow", static_folder=None)
    app.config["DAG_FOLDER"] = folder
    app.register_blueprint(platform_api.blueprint)
    app.register_blueprint(harness_api.blueprint)
    app.register_blueprint(harness_api.probes)
    return app


def run(port: int | None = None) -> None:
    """Serve until SIGTERM; the process ends with 0 then.

    Args:
        port: 8080 by default, or what ``KAAPANA_HARNESS_WEB_PORT`` says.
    """
    port = port or int(os.environ.get("KAAPANA_HARNESS_WEB_PORT", "8080"))
    from werkzeug.serving import WSGIRequestHandler, make_server

    from harness.incluster.airflow.scheduler import forget_connections_in_children

    signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(0))
    sys.dont_write_bytecode = True
    forget_connections_in_children()
    folder = _folder()
    database_readiness.wait_for_database(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
    stop = threading.Event()
    threading.Thread(target=_watch, args=(folder, stop), daemon=True, name="DAG folder").start()

    class Handler(WSGIRequestHandler):
        # streams as chunks, and connections that stay
        protocol_version = "HTTP/1.1"
        # an answer is written in two parts; the second must not wait 40 ms for the peer's acknowledgement
        disable_nagle_algorithm = True

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Log nothing; errors are logged elsewhere."""

    server = make_server("0.0.0.0", port, application(folder), threaded=True, request_handler=Handler)
    logging.getLogger(__name__).info("listening on port %d", port)
    server.serve_forever()


def load() -> None:
    """Import what DAG files need, for the children of the zygote; asks no database."""
    for module in (
        "airflow.models.dagbag",
        "airflow.models.serialized_dag",
        "airflow.operators.python",
        "airflow.operators.empty",
        "airflow.serialization.serialized_objects",
        "harness.incluster.airflow.platform_api",
        "harness.incluster.airflow.harness_api",
        "kaapana.operators.DcmConverterOperator",
        "kaapana.operators.DcmSendOperator",
        "kaapana.operators.GetInputOperator",
        "kaapana.operators.Itk2DcmSegOperator",
        "kaapana.operators.KaapanaBranchPythonBaseOperator",
        "kaapana.operators.LocalWorkflowCleanerOperator",
        "kaapana.operators.MinioOperator",
    ):
        importlib.import_module(module)
    imports.skip_kubernetes()


def _folder() -> DagFolder:
    """Fork the zygote, while there is only one thread."""
    with imports.importing():
        from airflow.configuration import conf

        load()
    zygote = Zygote(conf.getfloat("core", "dagbag_import_timeout"))
    return DagFolder(Path(conf.get("core", "dags_folder")), _Parser(zygote))


class _Parser:
    """Parse; end the web server if the zygote is gone, because only a single-threaded process can fork a new one."""

    def __init__(self, zygote: Zygote) -> None:
        self._zygote = zygote

    def parse(self, files: list[Path]) -> dict[str, dict[str, Any]]:
        try:
            return self._zygote.parse(files)
        except (EOFError, OSError):
            logging.getLogger(__name__).error("a DAG file has ended the parser: the web server starts again")
            os._exit(1)


def _watch(folder: DagFolder, stop: threading.Event) -> None:
    try:
        folder.refresh_if_changed()
    except Exception:
        logging.getLogger(__name__).exception("the DAG folder was not parsed at the start")
    folder.watch(stop)
