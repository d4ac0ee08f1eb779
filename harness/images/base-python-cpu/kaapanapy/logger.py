"""Loggers with the platform's line format (services 4.2)."""

import functools
import logging
import os


def get_logger(name, level=None):
    """Return a logger that writes ``time - name - level - message``; the level is the argument's or the environment's.

    A handler is added once, and nothing is handed on to the root logger.
    """
    logger = logging.getLogger(name)
    logger.setLevel(level or os.environ.get("KAAPANA_LOG_LEVEL", "DEBUG").upper())
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s - %(name)s - %(levelname)s - %(message)s"))
        logger.addHandler(handler)
        logger.propagate = False
    return logger


def function_logger_factory(logger):
    """Return a decorator that logs a function's start and end at level debug."""

    def decorator(function):
        @functools.wraps(function)
        def logged(*args, **kwargs):
            logger.debug("enter %s", function.__qualname__)
            result = function(*args, **kwargs)
            logger.debug("exit %s", function.__qualname__)
            return result

        return logged

    return decorator
