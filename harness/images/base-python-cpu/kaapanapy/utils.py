"""Work through the elements of a run (services 4.2).

As on the platform nothing is counted here: an element without the folder, or a function that answers False, is no
error. Only an exception ends the work.
"""

from concurrent.futures import ThreadPoolExecutor

from kaapanapy.logger import get_logger

logger = get_logger(__name__)


class ConfigError(Exception):
    """The operator is configured in a way that cannot work."""


def get_user_id(username):
    """Return the id of a user, from the access information interface."""
    import requests

    from kaapanapy.settings import ServicesSettings

    response = requests.get(f"{ServicesSettings().aii_url}/users/username/{username}", timeout=10)
    response.raise_for_status()
    return response.json()["id"]


def is_batch_mode(workflow_dir, batch_name):
    """Return whether the run has a batch folder with at least one element; ``workflow_dir`` is a ``Path``."""
    batch = workflow_dir / batch_name
    return batch.is_dir() and any(path.is_dir() for path in batch.iterdir())


def processing_function_wrapper(args):
    """Call ``function(**keywords)`` for the pair ``args`` and return its result."""
    function, keywords = args
    return function(**keywords)


def process_single(
    base_dir,
    operator_in_dir,
    operator_out_dir,
    processing_function,
    operator_get_ref_series_dir=None,
    thread_count=3,
    **kwargs,
):
    """Call ``processing_function`` for one folder; its output folder is made first.

    ``thread_count`` is taken and not handed on. Without the input folder there is only a warning.

    Raises:
        Exception: what the function raised.
        TypeError: its result is no pair (ok, input).
    """
    source = base_dir / operator_in_dir
    if not source.exists():
        logger.warning("%s does not exist: nothing to do for %s", source, base_dir)
        return
    target = base_dir / operator_out_dir
    target.mkdir(parents=True, exist_ok=True)
    keywords = {"operator_in_dir": source, "operator_out_dir": target, **kwargs}
    if operator_get_ref_series_dir:
        keywords["operator_get_ref_series_dir"] = base_dir / operator_get_ref_series_dir
    with ThreadPoolExecutor(thread_count) as pool:
        ok, done = pool.submit(processing_function_wrapper, (processing_function, keywords)).result()
    if ok:
        logger.info("%s is done", done)


def process_batches(
    batch_dir,
    operator_in_dir,
    operator_out_dir,
    processing_function,
    operator_get_ref_series_dir=None,
    thread_count=3,
    **kwargs,
):
    """Call ``processing_function`` for every element that has the input folder, one after the other.

    ``operator_out_dir`` must be a ``Path``. As on the platform, a folder of that name is also made in the working
    directory.

    Raises:
        Exception: what the function raised for the first element that failed; later ones are not reached.
    """
    operator_out_dir.mkdir(exist_ok=True)
    for element in sorted(batch_dir.glob("*")):
        process_single(
            element,
            operator_in_dir,
            operator_out_dir,
            processing_function,
            operator_get_ref_series_dir,
            thread_count,
            **kwargs,
        )
