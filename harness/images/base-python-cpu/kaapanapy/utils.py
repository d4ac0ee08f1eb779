"""Work through the elements of a run (services 4.2, runtime 8)."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kaapanapy.logger import get_logger

logger = get_logger(__name__)


class ConfigError(Exception):
    """The operator is configured in a way that cannot work."""


def get_user_id(username):
    """Id of a user, from the access information interface."""
    import requests

    from kaapanapy.settings import ServicesSettings

    response = requests.get(f"{ServicesSettings().aii_url}/users/username/{username}", timeout=10)
    response.raise_for_status()
    return response.json()["id"]


def is_batch_mode(workflow_dir, batch_name):
    """Whether the run has a batch folder with at least one element."""
    batch = Path(workflow_dir) / batch_name
    return batch.is_dir() and any(path.is_dir() for path in batch.iterdir())


def processing_function_wrapper(processing_function, *args, **kwargs):
    """Call the function; its result must be a pair (ok, input). An exception counts as (False, None)."""
    try:
        ok, source = processing_function(*args, **kwargs)
    except Exception:
        logger.exception("%s failed", getattr(processing_function, "__name__", processing_function))
        return False, None
    return ok, source


def _directories(base, operator_in_dir, operator_out_dir, operator_get_ref_series_dir):
    directories = {
        "operator_in_dir": Path(base) / operator_in_dir,
        "operator_out_dir": Path(base) / operator_out_dir,
    }
    if operator_get_ref_series_dir:
        directories["operator_get_ref_series_dir"] = Path(base) / operator_get_ref_series_dir
    return directories


def process_single(
    base_dir,
    operator_in_dir,
    operator_out_dir,
    processing_function,
    operator_get_ref_series_dir=None,
    **kwargs,
):
    """Call ``processing_function`` for one folder; its output folder is made first."""
    directories = _directories(base_dir, operator_in_dir, operator_out_dir, operator_get_ref_series_dir)
    directories["operator_out_dir"].mkdir(parents=True, exist_ok=True)
    return processing_function_wrapper(processing_function, **directories, **kwargs)


def process_batches(
    batch_dir,
    operator_in_dir,
    operator_out_dir,
    processing_function,
    operator_get_ref_series_dir=None,
    thread_count=3,
    **kwargs,
):
    """Call ``processing_function`` for every element that has the input folder, some at a time.

    Raises:
        RuntimeError: an element failed, or no element has the input folder.
    """
    elements = [path for path in sorted(Path(batch_dir).iterdir()) if (path / operator_in_dir).is_dir()]
    if not elements:
        raise RuntimeError(f"no element below {batch_dir} has a folder {operator_in_dir}")
    with ThreadPoolExecutor(thread_count) as pool:
        results = list(
            pool.map(
                lambda element: process_single(
                    element,
                    operator_in_dir,
                    operator_out_dir,
                    processing_function,
                    operator_get_ref_series_dir,
                    **kwargs,
                ),
                elements,
            )
        )
    failed = [element.name for element, (ok, _) in zip(elements, results, strict=True) if not ok]
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(elements)} elements failed: {', '.join(failed)}")
    return results
